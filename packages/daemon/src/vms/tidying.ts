/**
 * What is done for a vm after its run, while nobody waits: for one vm at a time on this host, and only as long as nobody
 * wants the vm. What was cut off is done after the vm's next run.
 */
import type { VmId } from '@banger/contract/names.ts';
import type { DriverAbilities, MachineRef } from '../hypervisor/hypervisor.ts';
import { createOneAtATime, type OneAtATime } from '../platform/one-at-a-time.ts';
import { Task } from '../platform/task.ts';
import type { VmRecord } from '../store/records/vms.ts';
import type { VmParts } from './vm-parts.ts';

export type Tidying = ReturnType<typeof createTidying>;

type TidyingParts = Pick<VmParts, 'records' | 'capabilities' | 'drivers' | 'log'> & { oneAtATime: OneAtATime };

export function createTidying({ records, capabilities, drivers, log, oneAtATime }: TidyingParts) {
  const underWay = new Map<VmId, { stop: AbortController; ended: Promise<void> }>();
  const onThisHost = createOneAtATime();
  const { promise: isOpen, resolve: open } = Promise.withResolvers<void>();
  let isOver = false;
  return { begin, open, interrupt, isUnderWay: (id: VmId) => underWay.has(id), end };

  /** To be called once the vm is stopped. Waits for nothing, and nothing goes on before `open`. */
  function begin({ id, name, ephemeral }: VmRecord, ran: MachineRef): void {
    if (isOver || ephemeral) return;
    interrupt(id);
    const stop = new AbortController();
    const own = { stop, ended: run(Task.background().withSignal(stop.signal)) };
    underWay.set(id, own);

    async function run(task: Task): Promise<void> {
      try {
        await task.race(isOpen);
        await oneAtATime.run(task, id, () =>
          onThisHost.run(task, 'tidying', () => tidy(task, id, drivers.of(ran).abilities)),
        );
      } catch (fault) {
        if (!stop.signal.aborted) log.warn(`vm ${name}: could not be tidied after its run`, fault);
      } finally {
        if (underWay.get(id) === own) underWay.delete(id);
      }
    }
  }

  /** Whoever wants the vm calls this before queueing for it, and then has its turn once nothing goes on any more. */
  function interrupt(id: VmId): void {
    underWay.get(id)?.stop.abort();
  }

  /** The daemon ends: nothing goes on when it resolves, and nothing begins any more. */
  async function end(): Promise<void> {
    isOver = true;
    const all = [...underWay.values()];
    for (const { stop } of all) stop.abort();
    await Promise.all(all.map(({ ended }) => ended));
  }

  async function tidy(task: Task, id: VmId, ran: DriverAbilities): Promise<void> {
    const vm = records.findById(id);
    if (vm?.state.is !== 'stopped') return; // it was restarted
    for (const capability of capabilities) await capability.tidy?.(task, vm, ran);
  }
}
