/**
 * `bangerd`: reads the environment, starts the daemon, and says on file descriptor 3 how that went, as one line of JSON:
 * `{"ready":true}` or `{"error":{…}}`. Whoever starts it waits for that line. The log goes to standard error.
 */
import { writeSync } from 'node:fs';
import { toBangerError } from '@banger/contract/errors.ts';
import { startDaemon } from './daemon.ts';
import { createLog } from './platform/log.ts';
import { readSettings, withSbin } from './read-settings.ts';

// Nothing of ours depends on it: our folders are closed to others. Programs that write for others, such as git and those
// that make an image, expect this one.
process.umask(0o022);
process.env.PATH = withSbin(process.env.PATH); // the programs that are started inherit it

const log = createLog((line) => process.stderr.write(line));
const { promise: stopRequested, resolve: requestStop } = Promise.withResolvers<void>();
process.on('SIGTERM', () => requestStop());
process.on('SIGINT', () => requestStop());
process.on('SIGHUP', () => {}); // the terminal of whoever started us closed, which is no reason to end
process.on('unhandledRejection', (fault) => log.warn('a promise was left alone', fault));

try {
  const daemon = await startDaemon(readSettings(process.env), log, requestStop);
  announce({ ready: true });
  await stopRequested;
  await daemon.stop();
  process.exit(0);
} catch (thrown) {
  const error = toBangerError(thrown);
  log.warn('the daemon ends', thrown);
  announce({ error: error.toWire() });
  process.exit(1);
}

function announce(outcome: object): void {
  try {
    writeSync(3, `${JSON.stringify(outcome)}\n`);
  } catch {
    // started by hand, with nobody waiting on descriptor 3
  }
}
