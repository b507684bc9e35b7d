/**
 * `system.ts install|status|restart|uninstall <options>`: banger for the whole system, without a daemon, which it stops and
 * starts. The options are one word of JSON. It prints one line of JSON, an Installation or `{"error":{…}}`.
 */
import { join } from 'node:path';
import { BangerError, toBangerError } from '@banger/contract/errors.ts';
import { createInstallation, type InstallOptions } from './installation/installation.ts';
import { createLog, createLogWriter } from './platform/log.ts';
import { ProcessFailure, runProcess } from './platform/run-process.ts';
import { Task } from './platform/task.ts';
import { createPrivileged } from './privileged/privileged.ts';
import { ROOT_SOCKET } from './settings.ts';
import { MIGRATIONS } from './store/migrations.ts';

/** Machines shut down, and a daemon starts, in less */
const LIMIT_MS = 300_000;

/** Ctrl-C, kill, a terminal that goes: what is begun is undone. Those that follow change nothing. */
const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => interrupted.abort());

const task = Task.background().withSignal(interrupted.signal).within(LIMIT_MS);
const installation = createInstallation({
  hostRoot: '/',
  root: join(import.meta.dirname, '../../..'),
  isRoot: process.getuid?.() === 0,
  stateVersion: MIGRATIONS.length,
  runTool: async (task, argv, acceptCodes = []) =>
    (await runProcess(task, argv, { acceptCodes: [0, ...acceptCodes] })).stdout,
  findAccount,
  withdrawNetwork,
  log: createLog(createLogWriter(2)),
  now: () => new Date(),
});

try {
  const [, , verb, options = '{}'] = process.argv;
  const { purge = false, ...who } = JSON.parse(options) as Partial<InstallOptions> & { purge?: boolean };
  say(await perform(verb, { owner: null, ...who }, purge));
} catch (thrown) {
  say({ error: toBangerError(thrown).toWire() });
}

function perform(verb: string | undefined, who: InstallOptions, purge: boolean) {
  switch (verb) {
    case 'install':
      return installation.install(task, who);
    case 'restart':
      return installation.restart(task);
    case 'uninstall':
      return installation.uninstall(task, { purge });
    default:
      return installation.status(task);
  }
}

/** getent asks whatever the host knows accounts by. */
async function findAccount(task: Task, who: string) {
  try {
    const { stdout } = await runProcess(task, ['getent', 'passwd', '--', who]);
    const [name, , uid, , , home] = stdout.trim().split(':');
    return { name: String(name), uid: Number(uid), home: String(home) };
  } catch (fault) {
    if (fault instanceof ProcessFailure) return null;
    throw fault;
  }
}

async function withdrawNetwork(task: Task): Promise<string[]> {
  const helper = createPrivileged({ socketPath: ROOT_SOCKET });
  try {
    const { held } = await helper.ask(task, 'sweep', { known: [] });
    if (held.length > 0) return held;
    await helper.ask(task, 'withdraw-names', {});
    await helper.ask(task, 'withdraw-policy', {});
  } catch (fault) {
    if (!hasNeverWorked(fault)) throw fault;
  }
  return [];
}

/** There is nothing to take back: its install was cut off, or the host lacks nft, without which it attaches nothing. */
function hasNeverWorked(fault: unknown): boolean {
  if (!(fault instanceof BangerError)) return false;
  return fault.code === 'HELPER_MISSING' || fault.details?.refusal === 'MISSING';
}

function say(answer: object): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
