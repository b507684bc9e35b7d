/**
 * Routed network: a machine with an address of its own. Root makes a tap for it, which belongs to the owner. Beside the machine
 * is `banger-link carry`, behind walls, which has that tap open and nothing else, and serves a stream as passt does.
 *
 * An address is chosen from what the host's routes leave free, and kept. What is to be undone is written down before root is
 * asked for it; what could not be undone since the helper did not answer is swept later.
 */
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Reach } from '@banger/contract/api/vms.ts';
import { BangerError, toBangerError, wordsOf } from '@banger/contract/errors.ts';
import type { InterfaceConfig } from '@banger/contract/guest/messages.ts';
import type { VmId } from '@banger/contract/names.ts';
import { checkSocketPath } from '@banger/contract/paths.ts';
import { addressOf, gatewayOf, namesOf, type Place, tapOf } from '@banger/contract/privileged/places.ts';
import type { Log } from '../platform/log.ts';
import { OWNER } from '../platform/own-files.ts';
import { type Bounds, HOST_SCOPES, type Scopes } from '../platform/scope.ts';
import { findStarted, killStarted } from '../platform/started.ts';
import { Task } from '../platform/task.ts';
import { HOST_WALLS, isInHostView, type Walls } from '../platform/walls.ts';
import { type Privileged, refusalOf } from '../privileged/privileged.ts';
import type { HelperState } from './choose-network.ts';
import { chooseSubnet, freePlace } from './choose-place.ts';
import { forgetHeld, startHeld } from './held.ts';
import { HOST, lastWords } from './network-obstacle.ts';
import { judgeReport } from './routed-obstacle.ts';
import { readSearchDomains } from './search-domains.ts';

/** Of a helper that is busy: to say who it is, or to sweep while nobody is served yet */
const LOOK_DEADLINE_MS = 15_000;
/** To undo what it made, which asks nft several times; what it did not do by then is swept */
const UNDO_DEADLINE_MS = 60_000;
const SWEEP_AGAIN_MS = 60_000;
/** Others may take a place, or a route, between the look and the asking */
const MAX_TRIES = 8;
/** The word by which the process of a run is found */
const CARRY = 'carry';
/** It holds 256 KiB of frames, and starts nothing */
const CARRY_BOUNDS: Bounds = { memoryBytes: 128 * 2 ** 20, processes: 16 };

type RoutedVm = { id: VmId; name: string; place: Place | null };

export type RoutedLink = { socketPath: string; network: InterfaceConfig };

type RoutedParts = {
  helper: Pick<Privileged, 'ask'>;
  linkPath: string;
  places: {
    /** Of all vms */
    list: () => Place[];
    /** Counts at once, and is durable when it resolves */
    keep: (id: VmId, place: Place) => Promise<void>;
  };
  /** Has names answered where the machines of a subnet ask for them. Throws when nobody does. */
  publishNames: (task: Task, subnet: number) => Promise<void>;
  /** The vms that run with such a network, or may be about to */
  listConnected: () => VmId[];
  log: Log;
  walls?: Walls;
  scopes?: Scopes;
  resolversPath?: string;
};

export type RoutedNetwork = ReturnType<typeof createRoutedNetwork>;

export function createRoutedNetwork(parts: RoutedParts) {
  const {
    helper,
    linkPath,
    places,
    publishNames,
    listConnected,
    log,
    walls = HOST_WALLS,
    scopes = HOST_SCOPES,
    resolversPath = HOST.resolversPath,
  } = parts;
  let isSweepDue = false;
  return { look, connect, hasEnded, release, sweep };

  /** What the helper is to us, and to a machine that keeps this place. Throws nothing but CANCELLED. */
  async function look(task: Task, place: Place | null): Promise<HelperState> {
    const state = await ask(task);
    if (state.is !== 'ours' || state.obstacle !== null) return state;
    try {
      const { subnets } = await helper.ask(task, 'list', {});
      const own = place && chooseSubnet(subnets, [place]);
      const subnet = own === place?.subnet ? own : chooseSubnet(subnets, places.list());
      if (subnet !== null) await publishNames(task, subnet);
      return state;
    } catch (fault) {
      task.check();
      return { is: 'ours', obstacle: wordsOf(fault) };
    }
  }

  async function ask(task: Task): Promise<HelperState> {
    try {
      return judgeReport(await helper.ask(task.within(LOOK_DEADLINE_MS), 'report', {}), OWNER.uid);
    } catch (fault) {
      task.check();
      if (toBangerError(fault).code === 'HELPER_MISSING') return { is: 'absent' };
      return refusalOf(fault)?.code === 'NOT_ALLOWED' ? { is: 'foreign' } : { is: 'ours', obstacle: wordsOf(fault) };
    }
  }

  /**
   * Ready for a hypervisor to connect. Throws HELPER_MISSING, HELPER_REFUSED, NETWORK_FAILED or PATH_TOO_LONG; `release` undoes
   * what was done by then.
   */
  async function connect(
    task: Task,
    vm: RoutedVm,
    runtimeFolder: string,
    allowed: readonly Reach[],
  ): Promise<RoutedLink> {
    const { socket, mark } = filesOf(runtimeFolder);
    checkSocketPath(socket);
    await rm(socket, { force: true });
    await writeFile(mark, '', { mode: 0o600 });
    const place = await attach(task, vm, allowed).catch((fault) => {
      throw withWayBack(fault, vm.name);
    });
    await carry(task, vm.id, runtimeFolder);
    return {
      socketPath: socket,
      network: {
        ...{ address: addressOf(place), prefix: 32, gateway: gatewayOf(place.subnet) },
        ...{ dns: [namesOf(place.subnet)], search: await readSearchDomains(resolversPath) },
      },
    };
  }

  async function attach(task: Task, vm: RoutedVm, allowed: readonly Reach[]): Promise<Place> {
    let { place } = vm;
    let lost = '';
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      place ??= await choosePlace(task, vm.id);
      try {
        await helper.ask(task, 'attach', { vm: vm.id, ...place, reach: [...allowed] });
        const isMoved = vm.place !== null && addressOf(vm.place) !== addressOf(place);
        if (isMoved) task.note(`The address of ${vm.name} is ${addressOf(place)} from now on: ${lost}.`);
        return place;
      } catch (fault) {
        const refusal = refusalOf(fault);
        if (refusal?.code !== 'LEASE_TAKEN' && refusal?.code !== 'SUBNET_CLAIMED') throw fault;
        lost = refusal.why;
        place = null;
      }
    }
    throw new BangerError('NETWORK_FAILED', { message: `No address stays free long enough: ${lost}.` });
  }

  async function choosePlace(task: Task, id: VmId): Promise<Place> {
    const { subnets, taps } = await helper.ask(task, 'list', {});
    const kept = places.list();
    const subnet = chooseSubnet(subnets, kept);
    if (subnet === null) {
      throw new BangerError('NETWORK_FAILED', {
        message: 'This host has routes into every network that machines could be in.',
        hint: '"banger doctor" names them.',
      });
    }
    const others = taps.flatMap(({ vm, address }) => (vm === id || address === null ? [] : [address]));
    const place = freePlace(subnet, kept, new Set(others));
    if (place === null) {
      throw new BangerError('NETWORK_FAILED', {
        message: 'Every address that machines could have is kept by another one.',
        hint: 'Remove vms that nobody needs: "banger vm ls".',
      });
    }
    await places.keep(id, place);
    return place;
  }

  async function carry(task: Task, id: VmId, runtimeFolder: string): Promise<void> {
    const { socket, log: logPath } = filesOf(runtimeFolder);
    const around = await walls.around(task, { readable: isInHostView(linkPath) ? [] : [linkPath] }, ['--as-pid-1']);
    const ends = [tapOf(id), socket];
    const carrier = [...around, linkPath, CARRY, ...ends];
    const command = [linkPath, 'routed', '--tap', tapOf(id), '--socket', socket, '--', ...carrier];
    try {
      await startHeld(task, command, {
        ...{ runtimeFolder, logPath, hasReport: true, bounds: CARRY_BOUNDS, scopes },
        untilReady: async ({ report }) => (await report) === 'ready',
      });
    } catch (fault) {
      await killStarted(runtimeFolder, CARRY);
      task.check();
      if (fault instanceof BangerError) throw fault;
      throw await carryFailure(logPath, fault);
    }
  }

  /** Whether this run had such a network, and has none any more. */
  function hasEnded(runtimeFolder: string): boolean {
    return existsSync(filesOf(runtimeFolder).mark) && findStarted(runtimeFolder, CARRY).length === 0;
  }

  /** Ends this run's network, whichever daemon began it. Safe to repeat, and for a run that had another. */
  async function release(id: VmId, runtimeFolder: string): Promise<void> {
    const { mark } = filesOf(runtimeFolder);
    if (!existsSync(mark)) return;
    await killStarted(runtimeFolder, CARRY);
    try {
      const task = Task.background().within(UNDO_DEADLINE_MS);
      await helper.ask(task, 'detach', { vm: id });
      if (listConnected().every((other) => other === id)) await withdrawPolicy(task);
    } catch (fault) {
      sweepSoon();
      throw fault;
    }
    await rm(mark, { force: true });
    await forgetHeld(runtimeFolder);
  }

  /** With the last machine; another banger of the same owner may have some. */
  async function withdrawPolicy(task: Task): Promise<void> {
    await helper.ask(task, 'withdraw-policy', {}).catch((fault) => {
      if (refusalOf(fault)?.code !== 'IN_USE') throw fault;
    });
  }

  /** What belongs to no vm that runs goes, also when an earlier daemon left it. Where there is no helper nothing is there. */
  async function sweep(): Promise<void> {
    const task = Task.background().within(LOOK_DEADLINE_MS);
    const { is } = await ask(task);
    // To root every helper is somebody else's, which may have made something for it.
    if (is === 'absent' || (is === 'foreign' && places.list().length === 0)) return;
    try {
      const { detached } = await helper.ask(task, 'sweep', { known: listConnected() });
      if (detached.length > 0) log.info(`taps of vms that do not run are gone: ${detached.join(', ')}`);
    } catch (fault) {
      if (refusalOf(fault)?.code === 'NOT_ALLOWED') return;
      sweepSoon();
      throw fault;
    }
  }

  /** Again and again, until there is a helper that does it. */
  function sweepSoon(): void {
    if (isSweepDue) return;
    isSweepDue = true;
    setTimeout(() => void sweepAgain(), SWEEP_AGAIN_MS).unref();
  }

  async function sweepAgain(): Promise<void> {
    isSweepDue = false;
    try {
      if ((await ask(Task.background())).is === 'absent') sweepSoon();
      else await sweep();
    } catch (fault) {
      log.warn('what machines left with the root helper stays', fault);
    }
  }
}

function filesOf(runtimeFolder: string) {
  return {
    socket: join(runtimeFolder, 'network.sock'),
    /** There from before the tap is made until it is gone */
    mark: join(runtimeFolder, 'network.tap'),
    log: join(runtimeFolder, 'network.log'),
  };
}

function withWayBack(thrown: unknown, name: string): BangerError {
  const known = toBangerError(thrown);
  if (known.code === 'CANCELLED') return known;
  const wayBack = `"banger vm set --network user ${name}" lets it start without an address of its own.`;
  const hint = known.hint ? `${known.hint} ${wayBack}` : wayBack;
  return new BangerError(known.code, { ...known.toWire(), hint, cause: thrown });
}

async function carryFailure(logPath: string, cause: unknown): Promise<BangerError> {
  const printed = await readFile(logPath, 'utf8').catch(() => '');
  const said = lastWords(printed, 5);
  return new BangerError('NETWORK_FAILED', {
    message: `The network of a machine with an address of its own could not be set up${said ? `: ${said}` : '.'}`,
    hint: 'Run "banger doctor", which looks at what it needs.',
    cause,
  });
}
