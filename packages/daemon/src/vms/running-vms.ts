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
import type { VmFault } from '../store/records/vms.ts';

/** The agent comes back within a second when it ended; a guest that is busy may take longer */
const RECONNECT_LIMIT_MS = 20_000;
/** For one that has not come back before */
const LAST_RECONNECT_LIMIT_MS = 3000;

export type RunningVm = {
  machine: Machine;
  /** What is wrong with it at the moment, the gravest first; see vm-faults.ts */
  faults: VmFault[];
  /** Throws VM_LOST or AGENT_PROTOCOL when the agent does not answer. */
  guest(task: Task): Promise<Guest>;
  /** Called when an agent that ended did not come back in time, and when it answers again. One listener. */
  onAgentLost(listener: (isLost: boolean) => void): void;
  /** Lets go of machine and agent; the machine goes on */
  release(): void;
};

/**
 * `guest` is null for a machine that was adopted: its line is opened at the first use. No agent is waited for longer than one
 * that boots.
 */
export function createRunningVm(
  name: string,
  { machine, guest, bootTimeoutMs }: { machine: Machine; guest: Guest | null; bootTimeoutMs: number },
): RunningVm {
  let connected = guest;
  let connecting: Promise<Guest> | null = null;
  /** Unknown of a machine that an earlier daemon watched */
  let isLost = guest ? false : null;
  let onLost: (isLost: boolean) => void = () => {};
  machine.onAgentPort((isOpen) => {
    // An open port may be the news of this agent, or of one that came after it.
    if (isOpen) connected?.probe();
    else connected?.close('it ended');
    if (!isOpen) reconnect().catch(() => {}); // whoever wants it next is told
  });
  return {
    machine,
    faults: [],
    async guest(task) {
      if (connected && !connected.isClosed) return connected;
      return task.race(reconnect());
    },
    onAgentLost(listener) {
      onLost = listener;
    },
    release() {
      connected?.close();
      machine.release();
    },
  };

  function reconnect(): Promise<Guest> {
    connecting ??= connect();
    return connecting;
  }

  // Shared by all who wait for it, so none of them can cancel it.
  async function connect(): Promise<Guest> {
    const limitMs = Math.min(bootTimeoutMs, isLost ? LAST_RECONNECT_LIMIT_MS : RECONNECT_LIMIT_MS);
    const task = Task.background().within(limitMs);
    try {
      connected = await connectGuest(task, await machine.openAgentStream(task));
      note(false);
      return connected;
    } catch (fault) {
      note(true);
      throw task.signal.aborted ? agentLost(name, fault) : fault;
    } finally {
      connecting = null;
    }
  }

  function note(isNowLost: boolean): void {
    if (isNowLost !== isLost) onLost(isNowLost);
    isLost = isNowLost;
  }
}

function agentLost(name: string, cause: unknown): BangerError {
  return new BangerError('VM_LOST', {
    message: `"${name}" runs, but its agent does not answer.`,
    hint: `"banger vm logs ${name}" shows its console, and "banger vm kill ${name}" ends it.`,
    cause,
  });
}

export type RunningVms = ReturnType<typeof createRunningVms>;

export function createRunningVms() {
  const running = new Map<VmId, RunningVm>();
  /** Those that live and do not answer a daemon that has just started */
  const silent = new Set<VmId>();
  return {
    find,
    get,
    set,
    remove,
    releaseAll,
    has: (id: VmId) => running.has(id) || silent.has(id),
    isSilent: (id: VmId) => silent.has(id),
    markSilent: (id: VmId) => void silent.add(id),
  };

  function find(id: VmId): RunningVm | null {
    return running.get(id) ?? null;
  }

  /** Throws VM_SILENT, or VM_LOST for a vm whose machine ended a moment ago. */
  function get(id: VmId, name: string): RunningVm {
    const vm = running.get(id);
    if (vm) return vm;
    if (silent.has(id)) throw silentVm(name);
    throw new BangerError('VM_LOST', {
      message: `"${name}" has just ended.`,
      hint: `Run "banger vm start ${name}" to start it again.`,
    });
  }

  function set(id: VmId, vm: RunningVm): void {
    silent.delete(id);
    running.set(id, vm);
  }

  function remove(id: VmId): void {
    running.get(id)?.release();
    running.delete(id);
    silent.delete(id);
  }

  function releaseAll(): void {
    for (const id of [...running.keys()]) remove(id);
  }
}

function silentVm(name: string): BangerError {
  return new BangerError('VM_SILENT', {
    message: `"${name}" runs, but its hypervisor does not answer.`,
    hint: `It can be used again as soon as it does. "banger vm kill ${name}" ends it as it is.`,
  });
}
