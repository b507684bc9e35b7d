/**
 * A host of namespaces with the real root helper, in which machines may have addresses of their own: nothing in it is the
 * network of this machine. `around` are the words before a command that is to run in there.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Task } from '../../packages/daemon/src/platform/task.ts';
import { connectSocket, watchForSocket } from '../../packages/daemon/src/platform/unix-sockets.ts';
import { createPrivileged } from '../../packages/daemon/src/privileged/privileged.ts';
import { CHECKOUT } from './banger-home.ts';

const HELPER = join(CHECKOUT, 'host/root/target/x86_64-unknown-linux-gnu/release/banger-root');
/** Whose helper it is; the daemon of a test is root in there, whom every helper serves */
const OWNER = 1000;
const POWER = '--bounding-set -all,+net_admin --inh-caps -all --no-new-privs --'.split(' ');
/** It would take the number of a device in there for the one of its own. */
const WITHOUT_RESOLVED = ['unshare', '--mount', '--', 'sh', '-c'];
const HIDE = '! [ -d /run/systemd/resolve ] || mount -t tmpfs tmpfs /run/systemd/resolve; exec "$@"';
const SET_UP = 'ip link set lo up && echo 1 >/proc/sys/net/ipv4/ip_forward && echo here && exec sleep infinity';

/** To be ended after what runs in it. Only root can make one. */
export async function createRoutedHost() {
  const host = spawn('unshare', ['--net', '--', 'sh', '-c', SET_UP], { stdio: ['ignore', 'pipe', 'inherit'] });
  await Promise.race([once(host.stdout, 'data'), once(host, 'exit').then(() => Promise.reject(new Error('no host')))]);
  const around = ['nsenter', '--net', '--target', String(host.pid), '--'];

  const folder = await mkdtemp(join(tmpdir(), 'banger-root-'));
  const [socket, install] = [join(folder, 'root.sock'), join(folder, 'install.json')];
  await writeFile(install, JSON.stringify({ owner: { uid: OWNER } }), { mode: 0o644 });
  let running: ChildProcess | null = null;
  await startHelper();
  let world: ChildProcess | null = null;
  return {
    ...{
      around,
      env: { BANGER_ROOT_SOCKET: socket },
      helper: createPrivileged({ socketPath: socket }),
      ip,
      devices,
      hasPolicy,
      ask,
      addWorld,
    },
    ...{ startHelper, stopHelper, end: endAll },
  };

  async function endAll(): Promise<void> {
    await stopHelper();
    if (world) await end(world);
    await end(host);
    await rm(folder, { recursive: true });
  }

  async function startHelper(): Promise<void> {
    await rm(socket, { force: true });
    const { appeared, stop } = watchForSocket(socket);
    const started = ['setpriv', ...POWER, HELPER, '--socket', socket, '--install', install];
    const [program = '', ...words] = [...around, ...WITHOUT_RESOLVED, HIDE, 'sh', ...started];
    running = spawn(program, words, { stdio: 'ignore' });
    const ended = once(running, 'exit').then(() => Promise.reject(new Error('the helper ended')));
    ended.catch(() => {}); // it is ended on purpose later
    await Promise.race([appeared, ended]).finally(stop);
    (await connectSocket(Task.background(), socket)).destroy(); // it listens
  }

  /** By force, and waits for its end. */
  async function stopHelper(): Promise<void> {
    if (running) await end(running);
    running = null;
  }

  /** What is around the host: a server at each of these addresses, which tells who asks. */
  async function addWorld(port: number, addresses: readonly string[]): Promise<void> {
    const [program = '', ...before] = around;
    const serve = `require("http").createServer((asked, answer) => answer.end(asked.socket.remoteAddress)).listen(${port}, "0.0.0.0", () => console.log("here"))`;
    const begin = 'ip link set lo up && echo here && read there && exec "$0" -e "$1"';
    const words = [...before, 'unshare', '--net', '--', 'sh', '-c', begin, process.execPath, serve];
    const started = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] });
    world = started;
    await once(started.stdout, 'data'); // it has a namespace of its own
    ip('link', 'add', 'outward', 'type', 'veth', 'peer', 'name', 'world', 'netns', String(started.pid));
    ip('addr', 'add', '203.0.113.2/24', 'dev', 'outward');
    ip('link', 'set', 'outward', 'up');
    ip('route', 'add', 'default', 'via', '203.0.113.1');
    const inWorld = ['nsenter', '--net', '--target', String(started.pid), '--'];
    const set = [
      ...['addr add 203.0.113.1/24 dev world', 'link set world up'],
      ...addresses.map((address) => `addr add ${address}/32 dev lo`),
    ];
    for (const line of set) run([...inWorld, 'ip', ...line.split(' ')]);
    started.stdin.write('there\n');
    await once(started.stdout, 'data');
  }

  /** What a server answers to the host. */
  function ask(url: string): string {
    const asking = 'fetch(process.argv[1]).then((answer) => answer.text()).then((text) => process.stdout.write(text))';
    return run([...around, process.execPath, '-e', asking, url]);
  }

  /** What `ip` prints. */
  function ip(...words: string[]): string {
    return run([...around, 'ip', ...words]);
  }

  /** Whether there are rules of banger's. */
  function hasPolicy(): boolean {
    return run([...around, '/usr/sbin/nft', 'list', 'tables']).includes('inet banger');
  }

  /** Those of banger's, by their names. */
  function devices(): string[] {
    return [...ip('-o', 'link').matchAll(/^\d+: (bgr[^:@]*)/gm)].map(([, name]) => String(name));
  }
}

function run([program = '', ...words]: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${words.join(' ')}: ${stderr}`);
  return stdout;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
