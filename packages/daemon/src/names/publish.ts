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
  withdraw: (task: Task) => Promise<unknown>;
};

export type PublishingParts = {
  helper: NamesHelper;
  log: Log;
  monotonicMs: () => number;
  /** What a host has that asks at this address, in words that change when it does */
  look?: (address: string) => string;
  lookMs?: number;
};

export function createPublishing({ helper, log, monotonicMs, look = lookAtHost, lookMs = LOOK_MS }: PublishingParts) {
  const ending = new AbortController();
  let wanted: { subnet: number; seen: string } | null = null;
  let restsUntilMs = 0;
  let isAsking = false;
  const timer = setInterval(() => void repeatWhenNeeded(), lookMs);
  timer.unref();
  return { begin, end };

  /** `serve` answers at the address once it is there; when it cannot, nobody is sent there. */
  async function begin(task: Task, subnet: number, serve: (address: string) => Promise<void>): Promise<void> {
    if (wanted?.subnet === subnet && isAsItWas(wanted)) return;
    wanted = null;
    const { address } = await helper.publish(task, subnet);
    try {
      await serve(address);
    } catch (fault) {
      await helper.withdraw(Task.background());
      throw fault;
    }
    wanted = { subnet, seen: look(address) };
  }

  function end(): void {
    clearInterval(timer);
    ending.abort();
  }

  async function repeatWhenNeeded(): Promise<void> {
    if (!wanted || isAsking || isAsItWas(wanted) || monotonicMs() < restsUntilMs) return;
    isAsking = true;
    const { subnet } = wanted;
    try {
      const { address } = await helper.publish(Task.background().withSignal(ending.signal), subnet);
      if (wanted?.subnet === subnet) wanted = { subnet, seen: look(address) };
      log.info('the host asks here again for names of machines');
    } catch (fault) {
      restsUntilMs = monotonicMs() + RETRY_MS;
      log.warn('the host does not ask here for names of machines', fault);
    } finally {
      isAsking = false;
    }
  }

  function isAsItWas({ subnet, seen }: { subnet: number; seen: string }): boolean {
    return seen === look(namesOf(subnet));
  }
}

function lookAtHost(address: string): string {
  const { ino, ctimeMs } = statSync(RESOLVER_SOCKET, { throwIfNoEntry: false }) ?? { ino: 0, ctimeMs: 0 };
  const devices = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return `${devices.some((device) => device.address === address)} ${ino} ${ctimeMs}`;
}
