/**
 * The machines that run now, each with a line to its agent.
 *
 * The line is opened when it is needed and opened again when it broke: an agent that was busy, or a stream that a daemon
 * before this one left half-read, costs one new handshake and not the vm.
 */
import { BangerError } from '@banger/contract/errors.ts';
import type { VmId } from '@banger/contract/names.ts';
import { connectGuest, type Guest } from '../guest/guest.ts';
import type { Machine } from '../hypervisor/hypervisor.ts';
import { Task } from '../platform/task.ts';

const RECONNECT_TIMEOUT_MS = 20_000;

export type RunningVm = {
  machine: Machine;
  /** Throws VM_BOOT_TIMEOUT or AGENT_PROTOCOL when the agent does not answer. */
  guest(task: Task): Promise<Guest>;
  /** Lets go of machine and agent; the machine goes on */
  release(): void;
};

/** `guest` is null for a machine that was adopted: its line is opened at the first use. */
export function createRunningVm(machine: Machine, guest: Guest | null): RunningVm {
  let connected = guest;
  let connecting: Promise<Guest> | null = null;
  return {
    machine,
    async guest(task) {
      if (connected && !connected.isClosed) return connected;
      connecting ??= connect();
      return task.race(connecting);
    },
    release() {
      connected?.close();
      machine.release();
    },
  };

  // Shared by all who wait for it, so none of them can cancel it.
  async function connect(): Promise<Guest> {
    try {
      const task = Task.background().withSignal(AbortSignal.timeout(RECONNECT_TIMEOUT_MS));
      connected = await connectGuest(task, await machine.openAgentStream());
      return connected;
    } finally {
      connecting = null;
    }
  }
}

export type RunningVms = ReturnType<typeof createRunningVms>;

export function createRunningVms() {
  const running = new Map<VmId, RunningVm>();
  return { find, get, set, remove, releaseAll };

  function find(id: VmId): RunningVm | null {
    return running.get(id) ?? null;
  }

  /** Throws VM_LOST for a vm whose machine ended a moment ago. */
  function get(id: VmId, name: string): RunningVm {
    const vm = running.get(id);
    if (vm) return vm;
    throw new BangerError('VM_LOST', {
      message: `"${name}" has just ended.`,
      hint: `Run "banger vm start ${name}" to start it again.`,
    });
  }

  function set(id: VmId, vm: RunningVm): void {
    running.set(id, vm);
  }

  function remove(id: VmId): void {
    running.get(id)?.release();
    running.delete(id);
  }

  function releaseAll(): void {
    for (const id of [...running.keys()]) remove(id);
  }
}
