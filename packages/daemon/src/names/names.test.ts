import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { promises as dns } from 'node:dns';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { VmId, VmName } from '@banger/contract/names.ts';
import { namesOf, SUBNETS } from '@banger/contract/privileged/places.ts';
import { Task } from '../platform/task.ts';
import { type NamedMachine, whoAsks } from './answer.ts';
import { createForwarder } from './forward.ts';
import { CODES, KINDS, nameBytes, readQuestion, writeAnswer } from './message.ts';
import { createNames, type NamesParts } from './names.ts';
import { serveTcp } from './serve-tcp.ts';

const task = Task.background();
const CHECKOUT = join(import.meta.dirname, '../../../..');
const PORT = 15_353;
/** Those that ask are on the loopback here, which nothing leaves. */
const MACHINES = [
  machine(1, 'web', '127.61.0.16', { reachesMachines: true }),
  machine(2, 'db', '127.61.0.17', { reachesMachines: true }),
  machine(3, 'shy', '127.61.0.18'),
  machine(4, 'off', '10.213.64.19', { isRunning: false }),
  machine(5, 'far', '10.213.64.20'),
];
const machines = {
  byNameOrId: (wanted: string) => MACHINES.find(({ id, name }) => [id, name].includes(wanted as never)) ?? null,
  noteReach: async () => {},
  byAddress: (wanted: string) => MACHINES.find(({ address }) => address === wanted) ?? null,
};

test('a running machine has its address, by name, by id, and by whatever stands before them', async (t) => {
  const { host, address } = await serve(t);
  for (const name of ['web.vm', 'WEB.vM', 'web.vm.', 'api.web.vm', 'a.b.web.vm', '000000000001.vm']) {
    assert.deepEqual(await host.resolve4(name, { ttl: true }), [{ address: '127.61.0.16', ttl: 1 }], name);
  }
  assert.deepEqual(await host.resolve4('_names.vm'), [address], 'by which it is seen that questions arrive');
});

test('what is stopped, unknown or no name is not there, and is asked for again after a second', async (t) => {
  const { host } = await serve(t);
  for (const name of ['off.vm', 'none.vm', 'x.none.vm', 'we_b.vm', '-.vm', 'x._names.vm']) {
    await assert.rejects(host.resolve4(name), { code: 'ENOTFOUND' }, name);
  }
  const { minttl, nsname } = await host.resolveSoa('vm');
  assert.deepEqual([minttl, nsname], [1, '_names.vm']);
});

test('a machine that is there has nothing but its IPv4 address', async (t) => {
  const { host, address } = await serve(t);
  await assert.rejects(host.resolve6('web.vm'), { code: 'ENODATA' });
  await assert.rejects(host.resolveMx('web.vm'), { code: 'ENODATA' });
  await assert.rejects(host.resolve4('vm'), { code: 'ENODATA' });
  const answer = await say(address, question('web.vm', KINDS.AAAA));
  assert.deepEqual([...answer.subarray(2, 12)], [0x85, 0, 0, 1, 0, 0, 0, 1, 0, 0], 'and how long that holds');
});

test('the host is told nothing about other names, and others are not asked for it', async (t) => {
  const { host, address } = await serve(t, { servers: [await serveUpstream(t)] });
  for (const name of ['example.org', 'vm.example.org', 'webvm', 'host.banger', '16.64.213.11.in-addr.arpa']) {
    await assert.rejects(host.resolve4(name), { code: 'EREFUSED' }, name);
  }
  const chaos = question('version.bind', 16);
  chaos[chaos.length - 1] = 3;
  assert.equal((await say(address, chaos))[3], 5);
});

test('the address of a machine has its name', async (t) => {
  const { host } = await serve(t);
  assert.deepEqual(await host.reverse('10.213.64.20'), ['far.vm']);
  for (const address of ['10.213.64.19', '10.213.64.21', '10.147.112.16']) {
    await assert.rejects(host.reverse(address), { code: 'ENOTFOUND' }, address);
  }
});

test('a machine is told of itself, and of others where both may talk', async (t) => {
  const { of } = await serve(t);
  assert.deepEqual(await of('web').resolve4('db.vm'), ['127.61.0.17']);
  assert.deepEqual(await of('shy').resolve4('shy.vm'), ['127.61.0.18']);
  for (const [from, name] of Object.entries({ web: 'shy.vm', shy: 'web.vm', db: 'off.vm' })) {
    await assert.rejects(of(from).resolve4(name), { code: 'ENOTFOUND' }, `${from}: ${name}`);
  }
  await assert.rejects(of('web').reverse('10.213.64.20'), { code: 'ENOTFOUND' });
});

test('what a machine asks about the rest of the world is asked of the servers of the host', async (t) => {
  const { of, address } = await serve(t, { servers: [await serveUpstream(t)] });
  assert.deepEqual(await of('shy').resolve4('example.org'), ['192.0.2.7']);
  await assert.rejects(of('shy').resolve4('none.example.org'), { code: 'ENOTFOUND' });
  await assert.rejects(of('shy').resolve4('failing.example.org'), { code: 'ESERVFAIL' });
  await assert.rejects(of('shy').resolve6('example.org'), { code: 'ENODATA' }, 'it could not go there');
  assert.deepEqual(await of('shy').resolve4('host.banger'), [address], 'in a subnet it is the gateway');
});

test('a server that writes everything in lower case is understood, and who asked has the question back to the byte', async (t) => {
  const { address } = await serve(t, { servers: [await serveUpstream(t)] });
  const message = question('Lower.eXample.org', KINDS.A);
  const answer = await say(address, message, '127.61.0.18');
  assert.deepEqual(answer.subarray(12, message.length), message.subarray(12));
  assert.deepEqual([...answer.subarray(-4)], [192, 0, 2, 7]);
});

test('machines that have all wait that may leave one question to each of the others', async () => {
  let asked = 0;
  const readServers = () => {
    asked += 1;
    return new Promise<string[]>(() => {}); // a server that does not answer
  };
  const forwarder = createForwarder({ readServers, monotonicMs: () => 0, port: PORT });
  const read = readQuestion(question('example.org', KINDS.A));
  assert.ok(read.is === 'question');
  const ask = (machine: number) => forwarder.ask(`10.213.64.${machine}`, read.question, 'udp');
  for (let machine = 16; machine < 24; machine += 1) {
    const many = Array.from({ length: 40 }, () => ask(machine));
    assert.equal(await Promise.race(many), null);
  }
  assert.equal(asked, 256);
  void ask(24);
  assert.equal(asked, 257);
  assert.equal(await ask(24), null);
});

test('a long answer comes in a stream', async (t) => {
  const { of } = await serve(t, { servers: [await serveUpstream(t)] });
  assert.equal((await of('shy').resolve4('many.example.org')).length, 100);
});

test('who is neither the host nor a machine is nobody', () => {
  const at = '10.213.64.2';
  assert.equal(whoAsks(at, at, machines), 'host');
  assert.equal(whoAsks('127.0.0.1', at, machines), 'host');
  assert.equal(whoAsks('10.213.64.20', at, machines), MACHINES[4]);
  for (const from of ['10.213.64.21', '10.213.64.1', '192.168.1.5', '8.8.8.8', '']) {
    assert.equal(whoAsks(from, at, machines), null, from);
  }
});

test('damaged and long messages are survived', async (t) => {
  const { host, address } = await serve(t);
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  const whole = question('web.vm', KINDS.A);
  for (let length = 0; length < whole.length; length += 1) socket.send(whole.subarray(0, length), PORT, address);
  for (const bytes of [4097, 9000, 60_000]) socket.send(Buffer.concat([whole, Buffer.alloc(bytes)]), PORT, address);
  assert.deepEqual(await host.resolve4('web.vm'), ['127.61.0.16']);
});

test('a machine that asks without end is heard so often, and the others are heard', async (t) => {
  const { host, address } = await serve(t);
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  let answers = 0;
  socket.on('message', () => {
    answers += 1;
  });
  socket.bind(0, '127.61.0.18');
  await once(socket, 'listening');
  for (let round = 0; round < 15; round += 1) {
    for (let count = 0; count < 40; count += 1) socket.send(question('shy.vm', KINDS.A), PORT, address);
    await host.resolve4('web.vm'); // comes after them, and so is answered after them
  }
  assert.ok(answers > 0 && answers <= 400, `${answers}`);
});

test('in a stream one question is asked after the other, however they come in', async (t) => {
  const { address } = await serve(t);
  const message = question('web.vm', KINDS.A);
  const framed = Buffer.concat([Buffer.from([0, message.length]), message]);
  const socket = connect(PORT, address);
  for (const byte of framed) socket.write(Buffer.from([byte]));
  socket.end(Buffer.concat([framed, framed]));
  const answers = Buffer.concat(await socket.toArray());
  assert.equal(answers.length, 3 * (2 + message.length + 16));
});

test('who has asked in a stream may close it, and has the answer', async (t) => {
  const { address } = await serve(t, { servers: [await serveUpstream(t)] });
  const message = question('many.example.org', KINDS.A);
  const socket = connect({ host: address, port: PORT, localAddress: '127.61.0.18', allowHalfOpen: true });
  socket.end(Buffer.concat([Buffer.from([0, message.length]), message]));
  assert.equal(Buffer.concat(await socket.toArray()).length, 2 + message.length + 100 * 16);
});

test('the host asks so often, whatever of its addresses it asks from', async (t) => {
  const { address } = await serve(t, {
    rates: { host: { burst: 3, perSecond: 0 }, machine: { burst: 9, perSecond: 0 } },
  });
  const message = question('web.vm', KINDS.A);
  const answers: string[] = [];
  for (const from of [1, 2, 3, 4, 5]) {
    const socket = createSocket('udp4').on('message', () => answers.push(`host ${from}`));
    t.after(() => socket.close());
    socket.bind(0, `127.99.0.${from}`);
    await once(socket, 'listening');
    socket.send(message, PORT, address);
    await say(address, message, '127.61.0.18'); // is answered after it
  }
  assert.deepEqual(answers, ['host 1', 'host 2', 'host 3']);
});

test('a stream that promises a long question, or asks too often, is closed', async (t) => {
  const { address } = await serve(t);
  const long = connect(PORT, address);
  long.write(Buffer.from([0xff, 0xff]));
  assert.deepEqual(await long.toArray(), []);
  const message = question('web.vm', KINDS.A);
  const often = connect(PORT, address).on('error', () => {});
  often.write(
    Buffer.concat(Array.from({ length: 200 }, () => Buffer.concat([Buffer.from([0, message.length]), message]))),
  );
  let bytes = 0;
  often.on('data', (piece) => {
    bytes += piece.length;
  });
  await once(often, 'close');
  assert.ok(bytes <= 100 * (2 + message.length + 16), `${bytes}`);
});

test('who connects and says nothing, or half of it, is let go', async (t) => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  serveTcp(server, { answer: () => null, enter: () => ({ [Symbol.dispose]: () => {} }), limitMs: 50 });
  for (const said of [[], [0], [0, 30, 1, 2, 3]]) {
    const socket = connect((server.address() as { port: number }).port, '127.0.0.1');
    if (said.length > 0) socket.write(Buffer.from(said));
    assert.deepEqual(await socket.toArray(), []);
  }
});

test('a machine has so many connections, and with that takes none from the others', async (t) => {
  const { address } = await serve(t);
  const mine = Array.from({ length: 20 }, () => connect({ host: address, port: PORT, localAddress: '127.61.0.18' }));
  t.after(() => mine.forEach((socket) => void socket.destroy()));
  const closed = mine.map((socket) => once(socket.on('error', () => {}).resume(), 'close'));
  await Promise.all(mine.map((socket) => once(socket, 'connect')));
  await Promise.race(closed);
  const message = question('web.vm', KINDS.A);
  const host = connect(PORT, address);
  host.end(Buffer.concat([Buffer.from([0, message.length]), message]));
  assert.equal(Buffer.concat(await host.toArray()).length, 2 + message.length + 16);
});

test('it answers at the sockets that systemd opened', async (t) => {
  const address = anyAddress();
  const program = join(import.meta.dirname, 'testing/handed-names.ts');
  // As systemd does: opened by root, of both kinds, from descriptor 3 on, and by the number of the process that it becomes.
  const open = `use Socket; $^F = 9;
    for ([SOCK_DGRAM, 'udp'], [SOCK_STREAM, 'tcp']) {
      socket(my $s, PF_INET, $_->[0], getprotobyname($_->[1])) or die; bind($s, sockaddr_in(${PORT}, inet_aton('${address}'))) or die;
      listen($s, 9) if $_->[1] eq 'tcp'; push @kept, $s;
    }
    $ENV{LISTEN_PID} = $$; $ENV{LISTEN_FDS} = 2; exec @ARGV;`;
  const child = spawn('perl', ['-e', open, process.execPath, program], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(async () => {
    child.stdin.end();
    await once(child, 'exit');
  });
  assert.equal(String((await once(child.stdout, 'data'))[0]), 'serves\n');
  const host = resolver(address);
  assert.deepEqual(await host.resolve4('web.vm'), ['192.0.2.1']);
  const message = question('web.vm', KINDS.A);
  const socket = connect(PORT, address);
  socket.end(Buffer.concat([Buffer.from([0, message.length]), message]));
  assert.equal(Buffer.concat(await socket.toArray()).length, 2 + message.length + 16);
});

test('systemd opens port 53 of the address that each subnet has for names', async () => {
  const unit = await readFile(join(CHECKOUT, 'packaging/systemd/bangerd-names.socket'), 'utf8');
  const addresses = SUBNETS.map((_network, subnet) => `${namesOf(subnet)}:53`);
  for (const kind of ['ListenDatagram', 'ListenStream']) {
    const listed = [...unit.matchAll(new RegExp(`^${kind}=(.*)$`, 'gm'))].map(([, address]) => address);
    assert.deepEqual(listed, addresses);
  }
});

test('where it cannot answer nobody is sent to it', async (t) => {
  const { address } = await serve(t);
  const done: string[] = [];
  const names = create(t, { address, done });
  await assert.rejects(names.publish(task, 0), { code: 'NAMES_UNSERVED', message: /another daemon's/ });
  assert.deepEqual(done, ['publish 0', 'withdraw']);
});

test('what another daemon answers for its machines is not withdrawn', async (t) => {
  const { address } = await serve(t);
  for (const [vm, expected] of [
    ['000000000001', ['publish 0', 'withdraw']],
    ['ffffffffffff', ['publish 0']],
  ] as const) {
    const done: string[] = [];
    await assert.rejects(create(t, { address, done, taps: [vm] }).publish(task, 0), { code: 'NAMES_UNSERVED' });
    assert.deepEqual(done, expected);
  }
});

test('who may not open a port is known before anybody is sent there', () => {
  const sockets = join(import.meta.dirname, 'sockets.ts');
  const firstOfAll = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
  const ask = `import(${JSON.stringify(sockets)}).then(async ({ mayOpen }) => console.log(await mayOpen(1), await mayOpen(${PORT})))`;
  const unpowered = ['setpriv', '--bounding-set', '-net_bind_service', '--inh-caps', '-all'];
  const argv = [...(process.getuid?.() === 0 ? unpowered : []), process.execPath, '-e', ask];
  assert.equal(execFileSync(String(argv[0]), argv.slice(1), { encoding: 'utf8' }), `${firstOfAll <= 1} true\n`);
});

test('sockets that are none leave a daemon without names, and not without the rest', async (t) => {
  const said: string[] = [];
  await create(t, { handed: [1_000_000], said }).begin(null);
  assert.deepEqual(said, ['the sockets that systemd opened for names cannot be used']);
});

/** As the daemon has it, at an address of its own on the loopback. */
async function serve(t: TestContext, { servers = [] as string[], ...parts }: Created & { servers?: string[] } = {}) {
  const address = anyAddress();
  await create(t, { ...parts, address, resolversPath: await resolversOf(t, servers) }).publish(task, 0);
  const of = (name: string) => resolver(address, machines.byNameOrId(name)?.address);
  return { address, host: resolver(address), of };
}

type Created = Partial<Pick<NamesParts, 'handed' | 'resolversPath' | 'rates'>> & {
  address?: string;
  done?: string[];
  said?: string[];
  taps?: string[];
};

function create(t: TestContext, { address = '', done = [], said = [], taps = [], ...parts }: Created) {
  const names = createNames({
    ...{ machines, handed: [], resolversPath: '/dev/null', port: PORT, monotonicMs: () => 0 },
    ...parts,
    log: { info: () => {}, warn: (text) => void said.push(text) },
    subnetsInUse: () => [],
    look: () => '',
    helper: {
      publish: async (_task, subnet) => {
        done.push(`publish ${subnet}`);
        return { address, resolver: 'none' };
      },
      withdraw: async () => done.push('withdraw'),
      list: async () => ({
        taps: taps.map((vm) => ({ vm, address: null, reach: [], isHeld: true })),
        names: [address],
      }),
    },
  });
  t.after(() => names.close());
  return names;
}

/** A name server of the host's: it knows `example.org`, too much about `many.example.org`, and fails for one name. */
async function serveUpstream(t: TestContext): Promise<string> {
  const address = anyAddress();
  const [udp, tcp] = [createSocket('udp4'), createServer({ allowHalfOpen: true })];
  udp
    .bind(PORT, address)
    .on('message', (message, { port }) => udp.send(upstreamAnswer(message, 'udp'), port, '127.0.0.1'));
  tcp.listen(PORT, address).on('connection', async (socket) => {
    const [framed] = (await once(socket, 'data')) as [Buffer];
    const answer = upstreamAnswer(framed.subarray(2), 'tcp');
    socket.end(Buffer.concat([Buffer.from([answer.length >> 8, answer.length & 255]), answer]));
  });
  await Promise.all([once(udp, 'listening'), once(tcp, 'listening')]);
  t.after(() => {
    udp.close();
    tcp.close();
  });
  return address;
}

function upstreamAnswer(message: Buffer, by: 'udp' | 'tcp'): Buffer {
  const read = readQuestion(message);
  assert.ok(read.is === 'question');
  const [first = ''] = read.question.labels;
  const found = { name: 'asked', kind: KINDS.A, ttlSeconds: 60, data: Buffer.from([192, 0, 2, 7]) } as const;
  const count = { example: 1, lower: 1, many: by === 'tcp' ? 100 : 0 }[first] ?? 0;
  const code = { none: CODES.noName, failing: CODES.failure }[first] ?? CODES.none;
  const answers = Array.from({ length: count }, () => found);
  const answer = writeAnswer(read.question, { code, hasRecursion: true, answers });
  if (first === 'lower') answer.write(message.toString('latin1', 12, read.question.endsAt).toLowerCase(), 12, 'latin1');
  if (first === 'many' && by === 'udp') answer[2] = (answer[2] as number) | 0x02; // there is more
  return answer;
}

async function resolversOf(t: TestContext, servers: string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'banger-names-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'resolv.conf');
  await writeFile(path, servers.map((server) => `nameserver ${server}\n`).join(''));
  return path;
}

function resolver(address: string, from?: string): dns.Resolver {
  const asking = new dns.Resolver({ tries: 1, timeout: 20_000 });
  asking.setServers([`${address}:${PORT}`]);
  if (from) asking.setLocalAddress(from);
  return asking;
}

async function say(address: string, message: Buffer, from = '127.0.0.1'): Promise<Buffer> {
  const socket = createSocket('udp4');
  try {
    socket.bind(0, from);
    const answered = once(socket, 'message');
    socket.send(message, PORT, address);
    return (await answered)[0] as Buffer;
  } finally {
    socket.close();
  }
}

function question(name: string, kind: number): Buffer {
  const head = Buffer.from([7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([head, nameBytes(name.split('.')), Buffer.from([0, kind, 0, 1])]);
}

function anyAddress(): string {
  return `127.${randomInt(70, 250)}.${randomInt(256)}.${randomInt(1, 255)}`;
}

function machine(id: number, name: string, address: string, said: Partial<NamedMachine> = {}): NamedMachine {
  const both = { id: String(id).padStart(12, '0') as VmId, name: name as VmName };
  return { ...both, address, isRunning: true, reachesMachines: false, ...said };
}
