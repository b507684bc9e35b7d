/**
 * `bangerd`: reads the environment, starts the daemon, and says on file descriptor 3 how that went, as one line of JSON:
 * `{"ready":true}` or `{"error":{…}}`. Whoever starts it waits for that line. The log goes to standard error.
 */
import { statSync, writeSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { toBangerError } from '@banger/contract/errors.ts';
import { bangerPaths, daemonSocketPath } from '@banger/contract/paths.ts';
import { startDaemon } from './daemon.ts';
import { createLog } from './platform/log.ts';
import type { Settings } from './settings.ts';

const CHECKOUT = join(import.meta.dirname, '../../..');
const DEFAULT_BOOT_TIMEOUT_MS = 60_000;

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

function readSettings(env: NodeJS.ProcessEnv): Settings {
  const uid = process.getuid?.() ?? 0;
  const paths = bangerPaths({ env, uid, home: homedir(), isOwnFolder: (path) => isOwnFolder(path, uid) });
  return {
    paths,
    socketPath: daemonSocketPath(paths),
    agentPath: join(CHECKOUT, 'guest/agent/target/x86_64-unknown-linux-gnu/release/banger-agent'),
    catalogFolder: join(CHECKOUT, 'catalog'),
    tools: {
      qemu: env.BANGER_QEMU ?? 'qemu-system-x86_64',
      passt: env.BANGER_PASST ?? 'passt',
      pasta: env.BANGER_PASTA ?? 'pasta',
    },
    isRoot: uid === 0,
    commandPath: join(CHECKOUT, 'bin/banger'),
    bootTimeoutMs: Number(env.BANGER_BOOT_TIMEOUT_MS ?? DEFAULT_BOOT_TIMEOUT_MS),
  };
}

function isOwnFolder(path: string, uid: number): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === uid;
}

function announce(outcome: object): void {
  try {
    writeSync(3, `${JSON.stringify(outcome)}\n`);
  } catch {
    // started by hand, with nobody waiting on descriptor 3
  }
}
