/**
 * A hypervisor without a guest, for tests: a process of its own that takes QEMU's arguments, makes its sockets, speaks
 * QMP and plays the agent. It outlives the daemon like the real one.
 *
 * What goes wrong is read at every start from the JSON file that BANGER_FAKE_QEMU names, see fake-faults.ts.
 */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { readFakeFaults } from './fake-faults.ts';

/** A test that failed to end it does not leave it behind for ever */
const MAX_LIFE_MS = 15 * 60_000;

/** Somebody is told of what happens by the control socket */
const hasListener = Promise.withResolvers<void>();

const argv = process.argv.slice(2);
const faults = readFakeFaults(process.env.BANGER_FAKE_QEMU);

await main();

async function main(): Promise<void> {
  if (faults.fault === 'exit-at-start') fail('-device virtio-fake: this machine was told to fail');
  if (faults.fault === 'no-memory') fail("cannot set up guest memory 'pc.ram': Cannot allocate memory");
  setTimeout(() => process.exit(3), MAX_LIFE_MS).unref();
  for (const drive of options('-drive')) {
    const file = field(drive, 'file');
    if (!existsSync(file)) fail(`-drive ${drive}: Could not open '${file}': No such file or directory`);
  }

  const sockets = new Map(options('-chardev').map((chardev) => [field(chardev, 'id'), field(chardev, 'path')]));
  const qmpClients = new Set<Socket>();
  const guestConsole = createConsole();
  await listen(sockets.get('console'), (socket) => guestConsole.attach(socket));
  const waitingForAgent: Socket[] = [];
  const agentServer = await listen(sockets.get('agent'), (socket) => waitingForAgent.push(socket));
  await listen(sockets.get('qmp'), (socket) => serveQmp(socket, qmpClients));
  for (const netdev of options('-netdev')) {
    const peer = connect(field(netdev, 'addr.path'));
    peer.on('error', () => {}); // it goes on without it
  }

  const power = {
    end: (reason: string) => end(qmpClients, true, reason),
    portChanged: (open: boolean) => tell(qmpClients, 'VSERPORT_CHANGE', { id: 'agent', open }),
  };
  if (faults.fault !== 'silent')
    guestConsole.print(`banger fake machine ${field(options('-name')[0] ?? '', 'guest')}\n`);
  if (faults.fault === 'panic') {
    guestConsole.print(
      '[    1.000000] Kernel panic - not syncing: told to\n[    1.000001] ---[ end Kernel panic ]---\n',
    );
    // A guest takes longer to panic than its host to listen.
    await hasListener.promise;
    setTimeout(() => power.end('guest-reset'), faults.afterMs);
    return;
  }
  if (faults.fault === 'init-cannot-start') {
    setTimeout(() => {
      guestConsole.print('banger-agent: /sbin/init could not be started: Exec format error (os error 8)\r\n');
      void power.end('guest-reset');
    }, faults.afterMs);
  }
  const { createFakeAgent } = await import('./fake-agent.ts');
  const agent = createFakeAgent({
    ...{ faults, power },
    ...{ diskPath: writableDisk(), runtimePath: sockets.get('agent') ?? '' },
    programs: process.env.BANGER_FAKE_QEMU && join(dirname(process.env.BANGER_FAKE_QEMU), 'programs.sock'),
  });
  serveOneAtATime(agentServer, waitingForAgent, agent.serve);
}

// QEMU lets a second client wait until the first has left.
function serveOneAtATime(server: Server, waiting: Socket[], serve: (socket: Socket) => void): void {
  let current: Socket | null = null;
  const next = () => {
    if (current && !current.destroyed) return;
    current = waiting.shift() ?? null;
    if (!current) return;
    current.once('close', next);
    serve(current);
  };
  server.on('connection', () => setImmediate(next));
  next();
}

/** What is printed before somebody listens is kept, unlike on the real one, so that tests can wait for it. */
function createConsole() {
  let client: Socket | null = null;
  let early = '';
  return {
    attach(socket: Socket) {
      client = socket;
      socket.on('error', () => {}).resume();
      socket.write(early);
      early = '';
    },
    print(text: string) {
      if (client) client.write(text);
      else early += text;
    },
  };
}

function serveQmp(socket: Socket, clients: Set<Socket>): void {
  clients.add(socket);
  socket.on('error', () => {}).on('close', () => clients.delete(socket));
  socket.write(
    `${JSON.stringify({ QMP: { version: { qemu: { major: 7, minor: 2, micro: 22 } }, capabilities: [] } })}\n`,
  );
  let pending = '';
  socket.on('data', (bytes) => {
    const lines = (pending + bytes.toString('utf8')).split('\n');
    pending = lines.pop() as string;
    for (const line of lines) if (line.trim()) answerQmp(socket, clients, JSON.parse(line));
  });
}

function answerQmp(socket: Socket, clients: Set<Socket>, { execute, id }: { execute: string; id: number }): void {
  if (faults.fault === 'hang-on-qmp' && execute !== 'qmp_capabilities') return;
  const answers: Record<string, unknown> = {
    qmp_capabilities: {},
    'query-status': { status: 'running', running: true },
    quit: {},
    system_powerdown: {},
    cont: {},
  };
  const isKnown = Object.hasOwn(answers, execute);
  const error = { class: 'CommandNotFound', desc: `The command ${execute} has not been found` };
  socket.write(`${JSON.stringify({ id, ...(isKnown ? { return: answers[execute] } : { error }) })}\n`);
  if (execute === 'qmp_capabilities') hasListener.resolve();
  if (execute === 'quit') void end(clients, false, 'host-qmp-quit');
}

async function end(clients: Set<Socket>, guest: boolean, reason: string): Promise<never> {
  tell(clients, 'SHUTDOWN', { guest, reason });
  await Promise.all([...clients].map((client) => once(client.end(), 'finish')));
  process.exit(0);
}

function tell(clients: Set<Socket>, event: string, data: object): void {
  const timestamp = { seconds: 0, microseconds: 0 };
  for (const client of clients) client.write(`${JSON.stringify({ event, data, timestamp })}\n`);
}

async function listen(path: string | undefined, serve: (socket: Socket) => void): Promise<Server> {
  if (!path) fail('a chardev is missing');
  const server = createServer(serve).listen(path);
  await once(server, 'listening');
  return server;
}

function writableDisk(): string | null {
  const drive = options('-drive').find((text) => text.includes('readonly=off'));
  return drive === undefined ? null : field(drive, 'file');
}

function options(name: string): string[] {
  return argv.filter((_text, index) => argv[index - 1] === name);
}

function field(list: string, key: string): string {
  const parts = list.replaceAll(',,', '\0').split(',');
  return (parts.find((part) => part.startsWith(`${key}=`))?.slice(key.length + 1) ?? '').replaceAll('\0', ',');
}

function fail(why: string): never {
  process.stderr.write(`qemu-system-x86_64: ${why}\n`);
  process.exit(1);
}
