/**
 * Firecracker without a guest, for tests: a process of its own that takes its arguments and its configuration, makes its
 * sockets, answers its API and plays the agent. It outlives the daemon like the real one, and ends with its exit codes.
 *
 * What goes wrong is read at every start from the JSON file that BANGER_FAKE_FIRECRACKER names, see fake-faults.ts.
 */
import { once } from 'node:events';
import { existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { VSOCK_PORTS } from '../../packages/contract/src/guest/vsock.ts';
import { HALT_SIGNAL, readFakeFaults } from './fake-faults.ts';
import { checkConfig, type FakeConfig } from './fake-firecracker-config.ts';

/** A test that failed to end it does not leave it behind for ever */
const MAX_LIFE_MS = 15 * 60_000;
const MAX_API_CONNECTIONS = 10;
const EXIT = { failed: 1, badArguments: 153 };

const faults = readFakeFaults(process.env.BANGER_FAKE_FIRECRACKER);
const args = readArguments();
const log = openSync(args['log-path'] ?? '/dev/stdout', 'a');
let state: 'Not started' | 'Running' | 'Paused' = 'Not started';

/** Somebody has asked who this is */
const wasAsked = Promise.withResolvers<void>();

await main();

async function main(): Promise<void> {
  setTimeout(() => process.exit(3), MAX_LIFE_MS).unref();
  say('Running Firecracker v1.16.1');
  const config = readConfig(args['config-file']);
  await serveApi(args['api-sock'], config);
  if (faults.fault === 'exit-at-start') fail('this machine was told to fail');
  if (faults.fault === 'no-memory') fail('Cannot create the memory: Cannot allocate memory (os error 12)');
  const { uds_path: path } = config.vsock;
  const processor = faults.fault === 'halts' ? await startProcessor() : null;
  const toGuest = await listenForHost(path, () => processor?.wake());
  state = 'Running';
  say('Successfully started microvm that was configured from one single json');

  if (faults.fault !== 'silent') writeSync(1, `banger fake machine ${args.id}\n`);
  if (faults.fault === 'halts') writeSync(1, '[  100.000000] reboot: Power down\r\n'); // of an earlier run
  if (faults.fault === 'panic') {
    writeSync(1, '[    1.000000] Kernel panic - not syncing: told to\n[    1.000001] ---[ end Kernel panic ]---\n');
    await wasAsked.promise; // a guest takes longer to panic than its host to ask
    setTimeout(reset, faults.afterMs);
    return;
  }
  if (faults.fault === 'init-cannot-start') {
    setTimeout(() => {
      writeSync(1, 'banger-agent: /sbin/init could not be started: Exec format error (os error 8)\r\n');
      reset();
    }, faults.afterMs);
  }
  const { createFakeAgent } = await import('./fake-agent.ts');
  const disk = config.drives.find((drive) => drive.is_read_only === false)?.path_on_host ?? null;
  const power = { end: sayGoodbye, portChanged };
  if (faults.fault === 'halts') process.once(HALT_SIGNAL, () => sayGoodbye('guest-shutdown'));
  const agent = createFakeAgent({ faults, diskPath: disk, runtimePath: path, power });
  toGuest.serve = agent.serve;
  if (faults.fault !== 'never-hello' && faults.fault !== 'silent') setTimeout(callHost, faults.bootMs);

  function callHost(): void {
    const line = connect(`${path}_${VSOCK_PORTS.call}`);
    line.on('error', () => {}).on('connect', () => toGuest.take(line));
  }

  /** The agent ended, or another one is there. */
  function portChanged(isOpen: boolean): void {
    toGuest.isAgentThere = isOpen;
    if (isOpen) callHost();
    else toGuest.endAll();
  }

  /** A guest tells in which way it ends, and resets itself in any case. */
  async function sayGoodbye(reason: string): Promise<void> {
    if (faults.fault === 'halts') {
      toGuest.hasHalted = true;
      writeSync(1, '[  200.000000] reboot: System halted\r\n');
      return;
    }
    const line = connect(`${path}_${VSOCK_PORTS.goodbye}`).on('error', () => {});
    line.end(reason === 'guest-shutdown' ? 'power-off\n' : 'reset\n');
    await once(line, 'close');
    reset();
  }
}

/** A thread by the name that Firecracker gives a processor of its guest: asleep, unless the guest is given something to do. */
async function startProcessor() {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const sleep = "const { workerData } = require('node:worker_threads'); for (;;) Atomics.wait(workerData, 0, 0);";
  const thread = new Worker(sleep, { eval: true, name: 'fc_vcpu 0', workerData: cell });
  await once(thread, 'online');
  return { wake: () => Atomics.notify(cell, 0) };
}

function reset(): never {
  say('Vmm is stopping.');
  say('Firecracker exiting successfully. exit_code=0');
  process.exit(0);
}

/** Connections of the host's: each says which port of the guest it is for, in one write. */
async function listenForHost(path: string, onCall: () => void) {
  const streams = new Set<Socket>();
  const guest = {
    isAgentThere: true,
    hasHalted: false,
    serve: (socket: Socket): unknown => socket.destroy(),
    take(socket: Socket): void {
      streams.add(socket);
      socket.on('close', () => streams.delete(socket));
      guest.serve(socket);
    },
    endAll: () => [...streams].map((socket) => socket.destroy()),
  };
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (bytes: Buffer) => {
      socket.pause();
      const line = /^connect (\d+)\n/i.exec(bytes.toString('latin1'));
      if (!line) return void socket.destroy();
      if (guest.hasHalted) return; // nobody answers
      onCall();
      if (Number(line[1]) !== VSOCK_PORTS.agent || !guest.isAgentThere) {
        say(`the guest refuses a connection to port ${line[1]}`);
        return void socket.destroy();
      }
      socket.write(`OK ${2 ** 30}\n`);
      socket.unshift(bytes.subarray(line[0].length));
      guest.take(socket);
      socket.resume();
    });
  });
  await listen(server, path);
  return guest;
}

async function serveApi(path: string, config: FakeConfig): Promise<void> {
  const server = createHttpServer(async (request, response) => {
    let body = '';
    for await (const bytes of request) body += bytes;
    if (faults.fault === 'hang-on-qmp') return;
    answer(response, `${request.method} ${request.url}`, body, config);
  });
  server.maxConnections = MAX_API_CONNECTIONS;
  server.keepAliveTimeout = 0;
  await listen(server, path);
}

function answer(response: ServerResponse, route: string, body: string, config: FakeConfig): void {
  const reply = (status: number, json?: object) => response.writeHead(status).end(json && JSON.stringify(json));
  switch (route) {
    case 'GET /':
      wasAsked.resolve();
      return void reply(200, { app_name: 'Firecracker', id: args.id, state, vmm_version: '1.16.1' });
    case 'GET /vm/config':
      return void reply(200, config);
    case 'PATCH /vm':
      state = (JSON.parse(body) as { state: string }).state === 'Paused' ? 'Paused' : 'Running';
      return void reply(204);
    default:
      return void reply(400, { fault_message: `Invalid request method and/or path: ${route}.` });
  }
}

/** A socket that is there already is no obstacle for Node, and one for Firecracker. */
async function listen(server: ReturnType<typeof createServer>, path: string): Promise<void> {
  if (existsSync(path)) fail(`Failed to open the socket at: ${path}. Check that it is not already used.`);
  server.listen(path);
  await once(server, 'listening');
}

function readConfig(path: string): FakeConfig {
  try {
    return checkConfig(JSON.parse(readFileSync(path, 'utf8')));
  } catch (fault) {
    return fail(
      `Failed to build MicroVM from Json: Configuration for VMM from one single json failed: ${String(fault)}`,
    );
  }
}

function readArguments() {
  const value = { type: 'string' } as const;
  try {
    const { values } = parseArgs({
      options: { 'api-sock': value, id: value, 'config-file': value, 'log-path': value, level: value },
    });
    const { 'api-sock': api = '/run/firecracker.socket', 'config-file': config, id = 'anonymous-instance' } = values;
    if (config === undefined) throw new Error('this fake needs --config-file');
    return { ...values, 'api-sock': api, 'config-file': config, id };
  } catch (fault) {
    process.stderr.write(`Error: ParseArguments(${String(fault)})\n`);
    process.exit(EXIT.badArguments);
  }
}

function say(text: string): void {
  writeSync(log, `${new Date().toISOString()} [${args.id}:main] ${text}\n`);
}

function fail(why: string): never {
  say(`RunWithApiError error: ${why}`);
  process.stderr.write(`Error: RunWithApi(${JSON.stringify(why)})\n`);
  say(`Firecracker exiting with error. exit_code=${EXIT.failed}`);
  process.exit(EXIT.failed);
}
