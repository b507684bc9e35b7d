/** Keeps the host asking here, whatever else of it starts anew: the device, and what the resolver was told of it. */
import { statSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type { OperationAnswer } from '@banger/contract/privileged/operations.ts';
import { namesOf } from '@banger/contract/privileged/places.ts';
import type { Log } from '../platform/log.ts';
import { Task } from '../platform/task.ts';

/** Made anew by each systemd-resolved, which knows of a device what an earlier one wrote down, if it did */
const RESOLVER_SOCKET = '/run/systemd/resolve/io.systemd.Resolve';
const LOOK_MS = 10_000;
/** After a refusal, which the helper writes into its journal each time */
const RETRY_MS = 60_000;

/** What the root helper does: it makes the address, and tells the resolver. */
export type NamesHelper = {
  publish: (task: Task, subnet: number) => Promise<OperationAnswer<'publish-names'>>;
  /** Where no machine of another daemon asks */
  withdraw: (task: Task) => Promise<unknown>;
};

export type PublishingParts = {
  helper: NamesHelper;
  /** Those that running machines are in, which ask for names there */
  subnetsInUse: () => number[];
  /** Throws where nobody here could answer at the address, whether or not it is there yet. */
  expectPort: (address: string) => Promise<void>;
  /** Answers at the address, which is there. Throws when it cannot. */
  serve: (address: string) => Promise<void>;
  log: Log;
  monotonicMs: () => number;
  /** What a host has that asks at this address, in words that change when it does */
  look?: (address: string) => string;
  lookMs?: number;
};

export function createPublishing(parts: PublishingParts) {
  const { helper, subnetsInUse, expectPort, serve, log, monotonicMs, look = lookAtHost, lookMs = LOOK_MS } = parts;
  const ending = new AbortController();
  /** What the host had once it was told of a subnet */
  const seenOf = new Map<number, string>();
  let latest: number | null = null;
  let restsUntilMs = 0;
  let complaint = '';
  let isAsking = false;
  let timer: NodeJS.Timeout | undefined;
  return { begin, keep, end };

  /** Throws what `expectPort`, `serve` and the helper do; nobody is sent here by it then. */
  async function begin(task: Task, subnet: number): Promise<void> {
    lookFromNowOn();
    if (!isAsItWas(subnet)) await publish(task, subnet);
    latest = subnet;
  }

  /** The same for this one and those in use, from now on and as often as it takes. */
  async function keep(subnet: number | null): Promise<void> {
    latest = subnet;
    lookFromNowOn();
    await repeatWhenNeeded();
  }

  /** A daemon that comes up slowly cannot answer yet, and would take back what the one before it published. */
  function lookFromNowOn(): void {
    timer ??= setInterval(() => void repeatWhenNeeded(), lookMs).unref();
  }

  function end(): void {
    clearInterval(timer);
    ending.abort();
  }

  async function publish(task: Task, subnet: number): Promise<void> {
    seenOf.delete(subnet);
    await orWithdraw(expectPort(namesOf(subnet)));
    const { address } = await helper.publish(task, subnet);
    await orWithdraw(serve(address));
    seenOf.set(subnet, look(address));
  }

  /** What an earlier daemon of these machines has published leads nowhere when this one cannot answer. */
  async function orWithdraw(serving: Promise<void>): Promise<void> {
    try {
      await serving;
    } catch (fault) {
      await helper.withdraw(Task.background()).catch((cause) => log.warn('names are not withdrawn', cause));
      throw fault;
    }
  }

  async function repeatWhenNeeded(): Promise<void> {
    if (isAsking || monotonicMs() < restsUntilMs) return;
    const needed = new Set([...subnetsInUse(), ...(latest === null ? [] : [latest])]);
    const lost = [...needed].filter((subnet) => !isAsItWas(subnet));
    if (lost.length === 0) return;
    isAsking = true;
    const faults: unknown[] = [];
    for (const subnet of lost) {
      await publish(Task.background().withSignal(ending.signal), subnet).catch((fault) => faults.push(fault));
    }
    isAsking = false;
    if (faults.length > 0) rest(faults[0]);
    else {
      complaint = '';
      log.info('the host asks here for names of machines');
    }
  }

  /** The same complaint is told once, however often it comes. */
  function rest(fault: unknown): void {
    restsUntilMs = monotonicMs() + RETRY_MS;
    if (ending.signal.aborted || complaint === String(fault)) return;
    complaint = String(fault);
    log.warn('the host does not ask here for names of machines', fault);
  }

  function isAsItWas(subnet: number): boolean {
    return seenOf.get(subnet) === look(namesOf(subnet));
  }
}

function lookAtHost(address: string): string {
  const { ino, ctimeMs } = statSync(RESOLVER_SOCKET, { throwIfNoEntry: false }) ?? { ino: 0, ctimeMs: 0 };
  const devices = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return `${devices.some((device) => device.address === address)} ${ino} ${ctimeMs}`;
}
