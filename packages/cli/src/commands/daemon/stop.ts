import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { BangerError } from '@banger/contract/errors.ts';
import { isNobodyThere } from '@banger/sdk/connect.ts';
import type { Cli } from '../../cli.ts';
import type { Run } from '../../load-command.ts';

/** Running operations are undone first */
const STOP_LIMIT_MS = 60_000;

export const run: Run<'daemon stop'> = async (cli) => {
  const wasRunning = await stopDaemon(cli);
  if (cli.isJson) cli.printJson({ wasRunning });
  else cli.print(wasRunning ? 'The daemon is stopped.\n' : 'The daemon was not running.\n');
  return 0;
};

async function stopDaemon({ runningClient }: Cli): Promise<boolean> {
  try {
    const { pid } = await runningClient.daemonStatus();
    await runningClient.daemonStop();
    await processEnded(pid);
    return true;
  } catch (error) {
    if (isNobodyThere(error)) return false;
    throw error;
  }
}

/** The lock of the state folder is free only when the process is gone, and the next command may want it at once. */
async function processEnded(pid: number): Promise<void> {
  const deadlineMs = Date.now() + STOP_LIMIT_MS;
  while (Date.now() < deadlineMs) {
    if (isGone(pid)) return;
    await delay(20);
  }
  throw new BangerError('INTERNAL', {
    message: `The daemon was asked to stop, but still runs after ${STOP_LIMIT_MS / 1000} s.`,
    hint: 'Its log, daemon.log in the state folder, says what it waits for.',
    details: { pid },
  });
}

/** A process that nobody reaps stays in the table as a zombie; it holds nothing once its last thread is gone. */
function isGone(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' && Number(fields[17]) <= 1;
  } catch {
    return true;
  }
}
