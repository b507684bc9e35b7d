/**
 * An image of a stopped vm. Nobody but a guest reads its disk: the machine is booted once more, with nothing of it running, by an
 * agent that gives out its files as they are merged. The record says `starting` meanwhile, so that a daemon which dies on
 * the way finds what it has to end, and then `stopped` as before.
 */
import type { Image } from '@banger/contract/api/images.ts';
import type { Task } from '../platform/task.ts';
import { UndoStack } from '../platform/undo-stack.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { bootVm } from './boot-vm.ts';
import { checkFreeMemory } from './check-memory.ts';
import { leftOut } from './left-out.ts';
import { moveVm, type VmParts } from './vm-parts.ts';
import { expectState } from './vm-states.ts';

export type Commit = { name: string; force: boolean };

/** An agent that reads files needs no more of the vm's */
const MAX_MEMORY_BYTES = 512 * 2 ** 20;
const MAX_CPUS = 2;

/** Throws IMAGE_EXISTS, VM_WRONG_STATE, and what a start throws. */
export async function commitVm(task: Task, parts: VmParts, stopped: VmRecord, wanted: Commit): Promise<Image> {
  expectState(stopped, 'stopped', 'made an image of');
  const config = parts.images.configOf(stopped.imageDigest);
  const without = leftOut(await parts.readBrought(stopped.id));
  const mayOvercommit = await parts.mayOvercommit();
  return parts.images.makeOf(task, wanted, async (own, receive) => {
    const small = {
      cpus: Math.min(stopped.cpus, MAX_CPUS),
      memoryBytes: Math.min(stopped.memoryBytes, MAX_MEMORY_BYTES),
    };
    checkFreeMemory(
      own,
      { ...stopped, ...small },
      { host: parts.readHost(), all: parts.records.list(), mayOvercommit },
    );
    await using undo = new UndoStack(parts.log);
    const starting = moveVm(parts, stopped, { is: 'starting' });
    undo.add('mark it stopped', () => moveVm(parts, starting, stopped.state));
    const { guest } = await bootVm(own, parts, { ...starting, ...small }, { undo, isStill: true });
    undo.add('let go of its agent', () => guest.close());
    own.step('read its files');
    await receive(await guest.readRoot(own, without));
    return config;
  });
}
