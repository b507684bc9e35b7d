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
  qmp: QmpConnection;
  log: Log;
  onChange: (stall: MachineStall | null) => void;
  /** The guest's processors stopped for good */
  onFault: () => void;
};

/** What to call on each STOP event. */
export function watchForStalls({ qmp, log, onChange, onFault }: StallParts): () => void {
  const task = Task.background();
  let isBusy = false;
  return () => {
    if (isBusy) return;
    isBusy = true;
    void followStall()
      .catch((fault) => log.warn('a stopped guest could not be looked at', fault))
      .finally(() => {
        isBusy = false;
      });
  };

  async function followStall(): Promise<void> {
    let status = await readStatus();
    if (status === 'internal-error') return onFault();
    if (status !== 'io-error') return;
    onChange('disk-full');
    const isOver = qmp.closed.then(() => true);
    while (status !== 'running') {
      if (await Promise.race([isOver, delay(RETRY_MS, false, { ref: false })])) return;
      await qmp.execute(task, 'cont');
      await delay(RETRY_MS / 5, null, { ref: false }); // the write that failed is tried again, and may stop it again
      status = await readStatus();
    }
    onChange(null);
  }

  async function readStatus(): Promise<string> {
    return statusSchema.parse(await qmp.execute(task, 'query-status')).status;
  }
}
