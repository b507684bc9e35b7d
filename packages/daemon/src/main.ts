/**
 * `bangerd`: reads the environment, starts the daemon, and says on file descriptor 3 how that went, as one line of JSON:
 * `{"ready":true}` or `{"error":{…}}`. Whoever starts it waits for that line. The log goes to standard error.
 */
import { readFileSync, writeSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { AT_BOOT, HANDED_ON_STDIN, parseHanded } from '@banger/contract/daemon-start.ts';
import { toBangerError } from '@banger/contract/errors.ts';
import { startDaemon } from './daemon.ts';
import { handedDescriptors } from './platform/handed-descriptors.ts';
import { createLog, createLogWriter } from './platform/log.ts';
import { runProcess } from './platform/run-process.ts';
import { shedInheritance } from './platform/shed-inheritance.ts';
import { Task } from './platform/task.ts';
import { readSettings } from './read-settings.ts';

const log = createLog(createLogWriter(2));
const { promise: stopRequested, resolve: requestStop } = Promise.withResolvers<void>();
process.stderr.on('error', () => {}); // what Node itself says there is no reason to end either
process.on('SIGTERM', () => requestStop());
process.on('SIGINT', () => requestStop());
process.on('SIGHUP', () => {}); // the terminal of whoever started us closed, which is no reason to end
process.on('unhandledRejection', (fault) => log.warn('nobody waited for a promise that failed', fault));

try {
  await shedInheritance(log, process.getuid?.() === 0);
  const daemon = await startDaemon(readSettings(process.env, readHanded()), log, requestStop);
  announce({ ready: true });
  await tellSystemd(process.env.NOTIFY_SOCKET);
  if (process.argv.includes(AT_BOOT)) daemon.startMachines();
  flushCompileCache(); // Node writes it at the end, which a daemon that is killed does not reach
  await stopRequested;
  await daemon.stop();
  process.exit(0);
} catch (thrown) {
  const error = toBangerError(thrown);
  log.warn('the daemon ends', thrown);
  announce({ error: error.toWire() });
  process.exit(1);
}

/** What is not in the environment, for others to read there; nothing when it is started by hand. */
function readHanded() {
  if (!process.argv.includes(HANDED_ON_STDIN)) return undefined;
  return parseHanded(readFileSync(0, 'utf8'));
}

/** The unit of a system's daemon has begun when this says so. */
async function tellSystemd(socket: string | undefined): Promise<void> {
  if (socket === undefined) return;
  await runProcess(Task.background(), ['systemd-notify', '--ready'], { env: { NOTIFY_SOCKET: socket } });
}

function announce(outcome: object): void {
  if (handedDescriptors(process.env, process.pid).length > 0) return; // systemd waits for nothing, and has a socket there
  try {
    writeSync(3, `${JSON.stringify(outcome)}\n`);
  } catch {
    // started by hand, with nobody waiting on descriptor 3
  }
}
