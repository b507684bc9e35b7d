/**
 * The door to the vms. Two commands on one vm queue; different vms run side by side; `list` and `show` wait for nobody.
 *
 * Each method that takes a Task is one story, told in the file of its name. This file looks vms up, and queues.
 */
import { EventEmitter, once } from 'node:events';
import type { StatsSample } from '@banger/contract/api/stats.ts';
import type { StopResult, Vm, VmSet, WaitFor } from '@banger/contract/api/vms.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { isVmId } from '@banger/contract/names.ts';
import type { Guest } from '../guest/guest.ts';
import { createOneAtATime } from '../platform/one-at-a-time.ts';
import { Task } from '../platform/task.ts';
import { UndoStack } from '../platform/undo-stack.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { createActivity } from './activity.ts';
import { adoptWhenItAnswers } from './adopt-vm.ts';
import { awaitSystem } from './await-system.ts';
import { type Commit, commitVm } from './commit-vm.ts';
import { chooseName, createVm, type NamedVmCreate } from './create-vm.ts';
import { createIdleStop } from './idle-stop.ts';
import { createClockKeeper } from './keep-clocks.ts';
import { reconcile } from './reconcile.ts';
import { removeVm } from './remove-vm.ts';
import { createRunningVms } from './running-vms.ts';
import { setVm } from './set-vm.ts';
import { showVm } from './show-vm.ts';
import { startVm } from './start-vm.ts';
import { stopVm } from './stop-vm.ts';
import { createTidying } from './tidying.ts';
import type { VmParts } from './vm-parts.ts';
import { expectState } from './vm-states.ts';
import { createWatch } from './watch-machine.ts';
import { watchUsage } from './watch-usage.ts';

export type Vms = ReturnType<typeof createVms>;

export function createVms(given: Omit<VmParts, 'running' | 'tidying'>) {
  const oneAtATime = createOneAtATime();
  const tidying = createTidying({ ...given, oneAtATime });
  const parts: VmParts = { ...given, running: createRunningVms(), tidying };
  const { records, running, folders, log } = parts;
  /** Aborted when the daemon ends: what it does by itself is undone */
  const ending = new AbortController();
  const activity = createActivity(parts);
  const idleStop = createIdleStop({
    activity,
    readLimitMs: parts.readIdleLimitMs,
    list: records.list,
    guest: (task, { id, name }) => running.get(id, name).guest(task),
    stop,
    monotonicMs: parts.monotonicMs,
    now: parts.now,
    log,
  });
  const clockKeeper = createClockKeeper({
    listRunning: () => records.list().filter(({ id }) => running.find(id) !== null),
    guest: (task, { id, name }) => running.get(id, name).guest(task),
    now: parts.now,
    monotonicMs: parts.monotonicMs,
    log,
  });
  const watching = createWatch({
    parts,
    oneAtATime,
    startAgain: (vm) => start1(untilEnd(), vm),
    tellTime: clockKeeper.tell,
  });
  /** Emits the id of each vm that is gone */
  const removals = new EventEmitter();
  return {
    find,
    nameFor: (wanted: string | undefined) => chooseName(parts, wanted),
    list,
    show,
    create,
    start,
    stop,
    restart,
    set,
    commit: (task: Task, nameOrId: string, wanted: Commit) =>
      queue(task, find(nameOrId).id, (vm) => commitVm(task, parts, vm, wanted)),
    remove,
    removeAfter,
    removeEphemeral,
    guest,
    /** What the image that it was made from says of running it */
    imageConfig: (nameOrId: string) => parts.images.configOf(find(nameOrId).imageDigest),
    /** Somebody uses the vm until the answer is disposed; an idle one may be stopped */
    use: (nameOrId: string) => activity.use(find(nameOrId).id),
    untilStopped,
    consolePath: (name: string) => folders.of(find(name).id).console,
    stats,
    reconcile: async () => {
      await reconcile(parts, { adopted: watching.watch, silent: (vm) => void awaitAnswer(vm) });
      idleStop.begin();
      clockKeeper.begin();
      tidying.open();
    },
    releaseAll: async () => {
      idleStop.end();
      clockKeeper.end();
      ending.abort();
      await tidying.end();
      running.releaseAll();
    },
  };

  /** By name or id. Throws VM_NOT_FOUND. */
  function find(nameOrId: string): VmRecord {
    const vm = isVmId(nameOrId) ? records.findById(nameOrId) : records.findByName(nameOrId);
    if (vm) return vm;
    throw new BangerError('VM_NOT_FOUND', {
      message: `There is no vm named "${nameOrId.slice(0, 80)}".`,
      hint: 'Run "banger vm ls" to see all of them.',
      details: { name: nameOrId.slice(0, 80) },
    });
  }

  function list(): Promise<Vm[]> {
    return Promise.all(records.list().map(render));
  }

  function show(nameOrId: string): Promise<Vm> {
    return render(find(nameOrId));
  }

  async function render(vm: VmRecord): Promise<Vm> {
    // A broken config keeps nobody from looking at a vm.
    const fromHost = await parts.readFromHost().catch(() => []);
    return { ...(await showVm(parts, vm)), idleStopAt: await idleStop.stopsAt(vm), fromHost };
  }

  async function create(task: Task, request: NamedVmCreate): Promise<Vm> {
    await using undo = new UndoStack(log);
    const vm = await createVm(task, parts, request);
    if (request.start) {
      undo.add('remove the vm', () =>
        queue(Task.background(), vm.id, (now) => removeVm(Task.background(), parts, now, true)),
      );
      await queue(task, vm.id, (now) => start1(task, now));
      // A vm that is kept stays when its system does not come up, so that one can look why; an ephemeral one goes.
      if (!vm.ephemeral) undo.keep();
      await settle(task, vm.id, request.waitFor);
    }
    undo.keep();
    return show(vm.id);
  }

  async function start(task: Task, nameOrId: string, waitFor: WaitFor = 'agent'): Promise<Vm> {
    const { id } = find(nameOrId);
    await queue(task, id, (vm) => (vm.state.is === 'running' ? Promise.resolve(vm) : start1(task, vm)));
    await settle(task, id, waitFor);
    return show(id);
  }

  async function stop(task: Task, nameOrId: string, timeoutMs: number): Promise<StopResult> {
    const { how } = await queue(task, find(nameOrId).id, (vm) => stopVm(task, parts, vm, timeoutMs));
    return { how };
  }

  async function restart(
    task: Task,
    nameOrId: string,
    { timeoutMs, waitFor }: { timeoutMs: number; waitFor: WaitFor },
  ): Promise<Vm> {
    const { id } = find(nameOrId);
    await queue(task, id, async (vm) => {
      const stopped = await stopVm(task, parts, vm, timeoutMs);
      await start1(task, stopped.vm);
    });
    await settle(task, id, waitFor);
    return show(id);
  }

  async function set(task: Task, nameOrId: string, sizes: VmSet): Promise<Vm> {
    const { id } = find(nameOrId);
    await queue(task, id, (vm) => setVm(task, parts, vm, sizes));
    return show(id);
  }

  async function remove(task: Task, nameOrId: string, force: boolean): Promise<void> {
    const { id } = find(nameOrId);
    await queue(task, id, (vm) => removeVm(task, parts, vm, force));
    activity.forget(id);
    watching.forget(id);
    removals.emit(id);
  }

  /** Removes an ephemeral vm once `hasLeft` resolves; resolves when it is gone, whoever removed it. */
  async function removeAfter(hasLeft: Promise<void>, id: VmRecord['id'] | string): Promise<void> {
    if (!records.findById(id)) return;
    const removed = once(removals, id);
    await Promise.race([hasLeft, removed]);
    if (records.findById(id)) await remove(Task.background(), id, true);
  }

  /** The daemon ends, and with it every connection that an ephemeral vm lives for. */
  async function removeEphemeral(): Promise<void> {
    const ephemeral = records.list().filter((vm) => vm.ephemeral);
    await Promise.allSettled(ephemeral.map((vm) => remove(Task.background(), vm.id, true)));
  }

  /** The agent of a running vm. Throws VM_WRONG_STATE, VM_LOST, or what the handshake throws. */
  function guest(task: Task, nameOrId: string): Promise<Guest> {
    const vm = find(nameOrId);
    expectState(vm, 'running', 'used');
    activity.touch(vm.id);
    return running.get(vm.id, vm.name).guest(task);
  }

  /** Waits for the end of this run of the vm, however it comes; at once when it does not run. Throws VM_NOT_FOUND. */
  async function untilStopped(task: Task, nameOrId: string): Promise<Vm> {
    const { id } = find(nameOrId);
    const machine = running.find(id)?.machine;
    if (machine) await task.race(machine.exited);
    if (!tidying.isUnderWay(id)) await queue(task, id, async () => {}); // what is queued writes the record first
    return show(id);
  }

  /**
   * What these take of the host, or all that run at each moment, until the task ends or all that were named are gone. Throws
   * VM_NOT_FOUND before the first sample.
   */
  function stats(task: Task, names: readonly string[] | undefined): AsyncGenerator<StatsSample, void> {
    const ids = names && new Set(names.map((name) => find(name).id));
    const list = () => {
      if (!ids) return records.list().filter(({ state }) => state.is === 'running');
      const found = records.list().filter(({ id }) => ids.has(id));
      return found.length > 0 ? found : null;
    };
    return watchUsage(task.withSignal(ending.signal), parts, list);
  }

  /** Outside of the queue: others may use, or stop, the vm meanwhile. */
  async function settle(task: Task, id: VmRecord['id'], waitFor: WaitFor | undefined): Promise<void> {
    if (waitFor === 'system') await awaitSystem(task, find(id), await guest(task, id));
  }

  /** The record is read when the turn comes: the one before may have changed or removed it. */
  function queue<Value>(task: Task, id: VmRecord['id'], work: (vm: VmRecord) => Promise<Value>): Promise<Value> {
    tidying.interrupt(id);
    return oneAtATime.run(task, id, () => work(find(id)));
  }

  async function start1(task: Task, vm: VmRecord): Promise<VmRecord> {
    const started = await startVm(task, parts, vm);
    watching.watch(started);
    void clockKeeper.tell(started);
    activity.touch(started.id);
    return started;
  }

  /** For what the daemon does by itself. */
  function untilEnd(): Task {
    return Task.background().withSignal(ending.signal);
  }

  /** Of a machine that did not answer when the daemon started. */
  async function awaitAnswer(vm: VmRecord): Promise<void> {
    try {
      await adoptWhenItAnswers(untilEnd(), parts, vm, { oneAtATime, watch: watching.watch });
    } catch (fault) {
      if (!ending.signal.aborted) log.warn(`vm ${vm.name} could not be adopted`, fault);
    }
  }
}
