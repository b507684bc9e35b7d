/**
 * Notices that the guest was stopped while its machine lives, and lets it go on when it can.
 *
 * On a full host disk QEMU stops the guest and does not give it an error, which its filesystem would answer by throwing
 * data away. So nothing is lost: the guest is tried again every few seconds, and runs on once there is space.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Log } from '../../platform/log.ts';
import { Task } from '../../platform/task.ts';
import type { MachineStall } from '../hypervisor.ts';
import type { QmpConnection } from './qmp.ts';

const RETRY_MS = 5000;
const statusSchema = z.object({ status: z.string() });

export type StallParts = {
  qmp: Pick<QmpConnection, 'execute' | 'closed'>;
  log: Log;
  onChange: (stall: MachineStall | null) => void;
  /** The guest's processors stopped for good */
  onFault: () => void;
  retryMs?: number;
};

/** What to call on each STOP event. Nothing that fails on the way ends the watch, only the machine's end does. */
export function watchForStalls({ qmp, log, onChange, onFault, retryMs = RETRY_MS }: StallParts): () => void {
  const task = Task.background();
  const isOver = qmp.closed.then(() => true);
  let isBusy = false;
  let hasStopped = false;
  return () => {
    hasStopped = true;
    if (!isBusy) void followStops();
  };

  /** A STOP that comes while an earlier one is followed counts as well. */
  async function followStops(): Promise<void> {
    isBusy = true;
    while (hasStopped) {
      hasStopped = false;
      await followStall();
    }
    isBusy = false;
  }

  async function followStall(): Promise<void> {
    let status = await untilAnswered(readStatus);
    const isStalled = status === 'io-error';
    if (isStalled) tell('disk-full');
    while (status === 'io-error') {
      if (await isOverWithin(retryMs)) return;
      status = await untilAnswered(letGoOn);
    }
    if (status === null) return;
    if (status === 'internal-error') return onFault();
    if (isStalled) tell(null);
  }

  async function letGoOn(): Promise<string> {
    await qmp.execute(task, 'cont');
    await isOverWithin(retryMs / 5); // the write that failed is tried again, and may stop it again
    return readStatus();
  }

  async function readStatus(): Promise<string> {
    return statusSchema.parse(await qmp.execute(task, 'query-status')).status;
  }

  /** A QEMU that is busy does not answer in time, and is asked again. Null when it has ended. */
  async function untilAnswered(ask: () => Promise<string>): Promise<string | null> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await ask();
      } catch (fault) {
        if (attempt === 1) log.warn('a stopped guest could not be looked at; it is tried again', fault);
        if (await isOverWithin(retryMs)) return null;
      }
    }
  }

  function isOverWithin(limitMs: number): Promise<boolean> {
    return Promise.race([isOver, delay(limitMs, false, { ref: false })]);
  }

  /** A listener that fails must not keep the guest from going on. */
  function tell(stall: MachineStall | null): void {
    try {
      onChange(stall);
    } catch (fault) {
      log.warn('it could not be told that a guest was stopped, or goes on', fault);
    }
  }
}
