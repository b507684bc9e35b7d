/** What is answered to whom, decided from plain values. */
import { isVmId, isVmName, VM_LABEL, type VmId, type VmName } from '@banger/contract/names.ts';
import { SUBNET_BITS, SUBNETS } from '@banger/contract/privileged/places.ts';
import {
  addressBytes,
  CLASS_IN,
  CODES,
  type DnsRecord,
  KINDS,
  nameBytes,
  type Question,
  type Said,
  writeAnswer,
} from './message.ts';

/** A machine that has an address of its own */
export type NamedMachine = {
  id: VmId;
  name: VmName;
  /** IPv4 */
  address: string;
  isRunning: boolean;
  /** May begin something with other machines that have this too */
  reachesMachines: boolean;
};

export type Machines = {
  byNameOrId(nameOrId: VmName | VmId): NamedMachine | null;
  byAddress(address: string): NamedMachine | null;
};

export type Asker = 'host' | NamedMachine;

export type Place = {
  /** Where we were asked, and where the host finds us by `SELF` */
  ownAddress: string;
  /** Where a machine finds the host, by `HOST` */
  gateway: string;
};

/** A name that no vm can have, by which anybody sees whether questions reach us */
export const SELF = `_names.${VM_LABEL}`;
const HOST = 'host.banger';

/** Less than a machine takes to start: who asks again after a start or a removal is not told what was true before. */
const TTL_SECONDS = 1;
const DAY_SECONDS = 86_400;

/**
 * What this host sends to an address of its own comes from that same address, or from its loopback. Others may reach the
 * address too, since a host takes what is sent to any of its own, whichever way it comes: they are nobody.
 */
export function whoAsks(from: string, at: string, machines: Pick<Machines, 'byAddress'>): Asker | null {
  return machines.byAddress(from) ?? (from === at || from.startsWith('127.') ? 'host' : null);
}

/** Null for what is to be asked elsewhere, which only a machine may want. */
export function decide(question: Question, asker: Asker, place: Place, machines: Machines): Buffer | null {
  const { labels, kind, edns } = question;
  const isHost = asker === 'host';
  const say = (said: Said) => writeAnswer(question, { hasRecursion: !isHost, ...said });
  const own = (zone: readonly string[], code: number, answers: readonly DnsRecord[] = []) =>
    say({ code, isAuthoritative: true, answers, authority: answers.length > 0 ? [] : [authorityOf(zone)] });
  const found = (zone: readonly string[], ofKind: number, data: Buffer) =>
    own(zone, CODES.none, wants(kind, ofKind) ? [{ name: 'asked', kind: ofKind, ttlSeconds: TTL_SECONDS, data }] : []);

  if (edns && edns.version !== 0) return say({ code: CODES.badVersion });
  if (question.class !== CLASS_IN) return say({ code: CODES.refused });
  if (labels.at(-1) === VM_LABEL) return decideForward();
  const reverse = readReverse(labels);
  if (reverse) return decideReverse(reverse);
  if (isHost) return say({ code: CODES.refused });
  if (labels.join('.') === HOST) return found(labels, KINDS.A, addressBytes(place.gateway));
  // The way out of a machine is IPv4 only: an address that cannot be reached would be tried first, and waited for.
  return kind === KINDS.AAAA ? say({ code: CODES.none }) : null;

  /** `api.web.vm` is the machine `web`, as what serves several sites by their names needs it. */
  function decideForward(): Buffer {
    const zone = [VM_LABEL];
    const label = labels.at(-2);
    if (label === undefined) {
      const isStart = wants(kind, KINDS.SOA);
      return isStart ? own(zone, CODES.none, [{ ...authorityOf(zone), name: 'asked' }]) : own(zone, CODES.none);
    }
    const address = labels.join('.') === SELF ? place.ownAddress : findVisible(label)?.address;
    return address === undefined ? own(zone, CODES.noName) : found(zone, KINDS.A, addressBytes(address));
  }

  function decideReverse({ address, zone }: Reverse): Buffer {
    const machine = machines.byAddress(address);
    const name = address === place.ownAddress ? SELF : machine && isVisible(machine) && `${machine.name}.${VM_LABEL}`;
    return name ? found(zone, KINDS.PTR, nameBytes(name.split('.'))) : own(zone, CODES.noName);
  }

  function findVisible(label: string): NamedMachine | undefined {
    const machine = isVmName(label) || isVmId(label) ? machines.byNameOrId(label) : null;
    return machine && isVisible(machine) ? machine : undefined;
  }

  /** A machine is told of another only where the two may talk. */
  function isVisible(machine: NamedMachine): boolean {
    if (!machine.isRunning) return false;
    return isHost || asker.id === machine.id || (asker.reachesMachines && machine.reachesMachines);
  }
}

function wants(kind: number, offered: number): boolean {
  return kind === offered || kind === KINDS.ANY;
}

/** How long it may be remembered that there is nothing. */
function authorityOf(zone: readonly string[]): DnsRecord {
  const numbers = Buffer.alloc(20);
  [1, DAY_SECONDS, DAY_SECONDS, DAY_SECONDS, TTL_SECONDS].forEach((number, index) => {
    numbers.writeUInt32BE(number, 4 * index);
  });
  const data = Buffer.concat([nameBytes(SELF.split('.')), nameBytes(['nobody', VM_LABEL]), numbers]);
  return { name: nameBytes(zone), kind: KINDS.SOA, ttlSeconds: TTL_SECONDS, data };
}

type Reverse = { address: string; zone: readonly string[] };

/** The address that is asked for a name, when it is in a network of machines. */
function readReverse(labels: readonly string[]): Reverse | null {
  if (labels.length !== 6 || labels[4] !== 'in-addr' || labels[5] !== 'arpa') return null;
  const digits = labels.slice(0, 4);
  if (!digits.every((word) => /^(0|[1-9]\d{0,2})$/.test(word) && Number(word) < 256)) return null;
  const address = digits.toReversed().join('.');
  const isOurs = SUBNETS.some((network) => networkOf(network) === networkOf(address));
  return isOurs ? { address, zone: labels.slice(1) } : null;
}

function networkOf(address: string): number {
  return addressBytes(address).readUInt32BE() >>> (32 - SUBNET_BITS);
}
