/**
 * A banger of its own for a test: every XDG folder in a temporary place, the real command and the real daemon.
 *
 * When the test ends everything is removed, and the test fails when a process, a socket or a vm's file is left. The
 * daemon's log and the consoles are kept in build/test/logs/: a test does not know yet whether one of its steps failed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { DaemonStatus } from '@banger/contract/api/system.ts';
import type { Session, Vm } from '@banger/contract/api/vms.ts';
import { BANGER } from '../../packages/cli/src/testing/run-banger.ts';
import { findByArgument, killProcess } from '../../packages/daemon/src/platform/processes.ts';
import { connect } from '../../packages/sdk/src/connect.ts';

export const CHECKOUT = join(import.meta.dirname, '../..');
export const AGENT = join(CHECKOUT, 'guest/agent/target/x86_64-unknown-linux-gnu/release/banger-agent');
/** The default image and kernel, made once a checkout by scripts/setup-test-data */
export const PREPARED = join(CHECKOUT, 'build/test-data');
/** Far beyond what any takes, in the doubly emulated hosts of test/host too, where apt takes minutes */
const COMMAND_TIMEOUT_MS = 900_000;
const ASK_EVERY_MS = 200;

export type Output = { code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string };

export type Home = Awaited<ReturnType<typeof createHome>>;

type HomeOptions = {
  /** Added to the environment of command and daemon */
  env?: Record<string, string>;
  /** Words before each command, of a program that runs it elsewhere */
  around?: readonly string[];
  /** Whose images and kernels to bring, as hard links; the default ones unless it says otherwise */
  prepared?: string;
};

/** A test, or something else that has an end and may have failed */
export type HomeOwner = Pick<TestContext, 'name'> & { after: (dispose: () => Promise<void>) => void };

export async function createHome(
  t: HomeOwner,
  { env: extra = {}, around = [], prepared = PREPARED }: HomeOptions = {},
) {
  const folder = await mkdtemp(join(tmpdir(), 'banger-'));
  const env: Record<string, string> = {
    PATH: process.env.PATH ?? '',
    HOME: join(folder, 'home'),
    LANG: 'C.UTF-8',
    XDG_CONFIG_HOME: join(folder, 'config'),
    XDG_STATE_HOME: join(folder, 'state'),
    XDG_DATA_HOME: join(folder, 'data'),
    XDG_CACHE_HOME: join(folder, 'cache'),
    XDG_RUNTIME_DIR: join(folder, 'run'),
    BANGER_ROOT_SOCKET: join(folder, 'no-root.sock'), // the host's own helper is no test's
    ...(process.env.NODE_V8_COVERAGE && { BANGER_TEST_COVERAGE: join(CHECKOUT, 'build/coverage/tmp') }),
    ...extra,
  };
  for (const name of ['home', 'run']) await mkdir(join(folder, name), { mode: 0o700 });
  await cpLinked(prepared, folder);
  const logs = join(CHECKOUT, 'build/test/logs', t.name.replaceAll(/[^a-zA-Z0-9]+/g, '-').slice(0, 80));
  await rm(logs, { recursive: true, force: true });
  await mkdir(logs, { recursive: true });

  const home = {
    folder,
    env,
    paths: {
      state: join(folder, 'state/banger'),
      data: join(folder, 'data/banger'),
      runtime: join(folder, 'run/banger'),
      cache: join(folder, 'cache/banger'),
      /** Outlives the home */
      logs,
    },
    /** Asks without a command, where a test asks often: each command is a program that has to start */
    client: connect({
      socketPath: join(folder, 'run/banger/daemon.sock'),
      startDaemon: async () => void (await json(['daemon', 'start'])),
    }),
    start,
    run,
    json,
    untilVm,
    untilVms,
    untilOutput,
    sessions,
    untilSessions,
    daemonPid,
    killDaemon,
    leftovers,
    writeConfig,
  };
  t.after(dispose);
  return home;

  async function writeConfig(text: string): Promise<void> {
    await mkdir(join(folder, 'config/banger'), { recursive: true });
    await writeFile(join(folder, 'config/banger/config.toml'), text);
  }

  /** Starts the command, with pipes. */
  function start(args: string[], options: { env?: Record<string, string> } = {}): ChildProcess {
    const [program = BANGER, ...words] = [...around, BANGER, ...args];
    return spawn(program, words, { env: { ...env, ...options.env }, stdio: 'pipe' });
  }

  /** Runs the command to its end. */
  async function run(
    args: string[],
    options: { stdin?: string | Buffer; env?: Record<string, string> } = {},
  ): Promise<Output> {
    const child = start(args, options);
    const timeout = setTimeout(() => child.kill('SIGKILL'), COMMAND_TIMEOUT_MS);
    child.stdin?.on('error', () => {}); // a command that does not read is not a fault here
    child.stdin?.end(options.stdin ?? '');
    const [stdout, stderr, [code, signal]] = await Promise.all([
      readAll(child.stdout),
      readAll(child.stderr),
      once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>,
    ]);
    clearTimeout(timeout);
    return { code, signal, stdout, stderr };
  }

  /** Runs the command with --json, and throws with its words unless it succeeds. */
  async function json<Answer>(args: string[]): Promise<Answer> {
    const dashes = args.indexOf('--');
    const flagged = dashes === -1 ? [...args, '--json'] : args.toSpliced(dashes, 0, '--json');
    const { code, stdout, stderr } = await run(flagged);
    if (code !== 0) throw new Error(`banger ${args.join(' ')} exited with ${code}: ${stderr}${stdout}`);
    return JSON.parse(stdout) as Answer;
  }

  function untilVm(name: string, isWanted: (vm: Vm) => boolean): Promise<Vm> {
    return until(() => json<Vm>(['vm', 'show', name]), isWanted);
  }

  function untilVms(isWanted: (vms: Vm[]) => boolean): Promise<Vm[]> {
    return until(async () => (await json<{ vms: Vm[] }>(['vm', 'ls'])).vms, isWanted);
  }

  /** Runs the command again and again; for what happens in a guest without telling anybody. */
  function untilOutput(args: string[], isWanted: (output: Output) => boolean): Promise<Output> {
    return until(() => run(args), isWanted);
  }

  async function sessions(name: string): Promise<Session[]> {
    return (await json<{ sessions: Session[] }>(['vm', 'sessions', name])).sessions;
  }

  function untilSessions(name: string, isWanted: (sessions: Session[]) => boolean): Promise<Session[]> {
    return until(() => sessions(name), isWanted);
  }

  async function daemonPid(): Promise<number> {
    return (await json<DaemonStatus>(['daemon', 'status'])).pid;
  }

  /** SIGKILL, as a crash would; resolves when it is gone. */
  async function killDaemon(): Promise<void> {
    for (const daemon of findDaemons()) await killProcess(daemon);
  }

  /** What a home without vms should not have: processes, sockets and files of vms. */
  async function leftovers(): Promise<string[]> {
    const list = async (path: string) => (await readdir(path).catch(() => [])).map((name) => join(path, name));
    const processes = findByArgument(`${folder}/run/banger/vms/`).map(({ pid }) => `process ${pid}`);
    const files = [
      ...(await list(join(home.paths.runtime, 'vms'))),
      ...(await list(join(home.paths.data, 'vms'))),
      ...(await list(join(home.paths.data, 'images'))).filter((path) => path.includes('.staging')),
      ...(await list(join(home.paths.data, 'kernels'))).filter((path) => path.includes('.staging')),
      ...(await list(join(home.paths.data, 'hypervisors'))).filter((path) => path.includes('.staging')),
    ];
    return [...processes, ...files];
  }

  async function dispose(): Promise<void> {
    await keepConsoles(); // they go with their vms
    if (findDaemons().length > 0) {
      const { vms } = await json<{ vms: Vm[] }>(['vm', 'ls']).catch(() => ({ vms: [] }));
      for (const { name } of vms) await run(['vm', 'rm', '--force', name]);
      await run(['daemon', 'stop']);
    }
    const left = [...(await leftovers()), ...findDaemons().map(({ pid }) => `daemon ${pid}`)];
    for (const found of [...findByArgument(`${folder}/`), ...findDaemons()]) await killProcess(found);
    await keepDaemonLog();
    await rm(folder, { recursive: true, force: true });
    if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`);
  }

  function findDaemons() {
    return findByArgument('packages/daemon/src/main.ts').filter(({ pid }) => {
      return environmentOf(pid).includes(`XDG_STATE_HOME=${env.XDG_STATE_HOME}`);
    });
  }

  async function keepConsoles(): Promise<void> {
    const vms = join(home.paths.data, 'vms');
    for (const id of await readdir(vms).catch(() => [])) {
      await cp(join(vms, id, 'console.log'), join(logs, `${id}-console.log`)).catch(() => {});
      await cp(join(vms, id, 'hypervisor.log'), join(logs, `${id}-hypervisor.log`)).catch(() => {});
    }
  }

  async function keepDaemonLog(): Promise<void> {
    await cp(join(home.paths.state, 'daemon.log'), join(logs, 'daemon.log')).catch(() => {}); // none was started
  }
}

/** Folders are made anew, files are hard links: nobody writes to an image or a kernel. State is copied. */
async function cpLinked(from: string, to: string): Promise<void> {
  for (const [name, flags] of [
    ['data', '-al'],
    ['cache', '-al'],
  ] as const) {
    await once(spawn('cp', [flags, join(from, name), join(to, name)], { stdio: 'inherit' }), 'close');
  }
  await mkdir(join(to, 'state/banger'), { recursive: true, mode: 0o700 });
  await cp(join(from, 'state/banger/state.sqlite'), join(to, 'state/banger/state.sqlite'));
}

function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return []; // it ended
  }
}

async function readAll(stream: Readable | null): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream ?? []) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** Asks until the answer is as wanted; throws after some minutes. */
async function until<Value>(ask: () => Promise<Value>, isWanted: (value: Value) => boolean): Promise<Value> {
  const deadline = Date.now() + COMMAND_TIMEOUT_MS;
  for (;;) {
    const value = await ask();
    if (isWanted(value)) return value;
    // Each question is a process of its own, which the machine under test would have to share its processor with.
    await delay(ASK_EVERY_MS);
    if (Date.now() > deadline) throw new Error(`for too long the answer is ${JSON.stringify(value)}`);
  }
}
