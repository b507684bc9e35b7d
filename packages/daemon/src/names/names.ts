/**
 * The door to the names of machines: answers DNS for the domain `vm` at an address of this host, to this host alone, and has its
 * resolver ask here. Machines ask here too; they are told of themselves, of those that they may talk to, and of the rest of the
 * world what the host's own name servers say. The host is told about machines and nothing else, so nobody can have it ask others.
 */
import { BangerError } from '@banger/contract/errors.ts';
import type { VmId } from '@banger/contract/names.ts';
import type { OperationAnswer } from '@banger/contract/privileged/operations.ts';
import { gatewayOf, namesOf, SUBNETS } from '@banger/contract/privileged/places.ts';
import type { Task } from '../platform/task.ts';
import { decide, type Machines, whoAsks } from './answer.ts';
import type { Asked, Said } from './asked.ts';
import { createForwarder } from './forward.ts';
import { readHostServers } from './host-servers.ts';
import { readQuestion } from './message.ts';
import { createPublishing, type NamesHelper, type PublishingParts } from './publish.ts';
import { createRateLimits } from './rate-limit.ts';
import { serveTcp } from './serve-tcp.ts';
import { serveUdp } from './serve-udp.ts';
import { closeSockets, mayOpen, type NameSocket, openHanded, openOwn } from './sockets.ts';

const PORT = 53;
/** Questions of all programs of the host, and of one machine */
const RATES = { host: { burst: 4000, perSecond: 2000 }, machine: { burst: 400, perSecond: 200 } };
/** Connections likewise. Beyond those of all machines each has one, so that others never keep it from all. */
const CONNECTIONS = { host: 64, machine: 8, machines: 64 };

/** What keeps a daemon from the port, told to who starts a machine */
const IN_THE_WAY: Record<string, string> = {
  EACCES: `port ${PORT} is for root, and systemd opens it for bangerd.service alone`,
  EADDRINUSE: `port ${PORT} is another daemon's, or another program's`,
};

export type NamesParts = Omit<PublishingParts, 'helper' | 'lookMs' | 'expectPort' | 'serve'> & {
  helper: NamesHelper & { list: (task: Task) => Promise<Pick<OperationAnswer<'list'>, 'taps' | 'names'>> };
  machines: Machines & { noteReach(task: Task): Promise<void> };
  /** Sockets that systemd opened for this daemon */
  handed: readonly number[];
  /** The host's resolv.conf */
  resolversPath: string;
  /** Here and of the host's servers: 53, except in a test */
  port?: number;
  /** Likewise */
  rates?: typeof RATES;
};

export function createNames(parts: NamesParts) {
  const { machines, handed, helper, resolversPath, log, monotonicMs, port = PORT, rates = RATES } = parts;
  const limits = createRateLimits(monotonicMs);
  const forwarder = createForwarder({ readServers: () => readHostServers(resolversPath), monotonicMs, port });
  const connections = { host: 0, machines: 0, ofEach: new Map<string, number>() };
  const ends: (() => void)[] = [];
  /** By the address that they are bound to */
  const served = new Map<string, NameSocket[]>();
  const publishing = createPublishing({
    ...parts,
    ...{ expectPort, serve: serveAt },
    helper: {
      publish: async (task, subnet) => {
        await machines.noteReach(task);
        return helper.publish(task, subnet);
      },
      withdraw,
    },
  });
  return { begin, publish, close };

  /** Answers at the sockets that were handed over. Names are asked here again soon: of machines that run, and of this subnet. */
  async function begin(subnet: number | null): Promise<void> {
    try {
      serve(await openHanded(handed));
    } catch (fault) {
      log.warn('the sockets that systemd opened for names cannot be used', fault);
    }
    void publishing.keep(subnet);
  }

  /**
   * Has the host ask here for names of machines, at the address that this subnet has for it, which is the one at which its machines
   * ask as well (`namesOf`). From then on it is kept so, whoever else starts anew. Safe to repeat, and to be repeated when what
   * a machine may reach has changed. Throws HELPER_MISSING, HELPER_REFUSED or NAMES_UNSERVED; nobody is sent here by it then.
   */
  async function publish(task: Task, subnet: number): Promise<void> {
    await publishing.begin(task, subnet);
    await machines.noteReach(task);
  }

  function close(): void {
    publishing.end();
    for (const end of ends) end();
    closeSockets([...served.values()].flat());
  }

  /** A daemon with other folders may answer there, for machines that are unknown here. */
  async function withdraw(task: Task): Promise<void> {
    const { taps, names } = await helper.list(task);
    const areOurs = taps.every(({ vm }) => machines.byNameOrId(vm as VmId) !== null);
    if (names.length > 0 && areOurs) await helper.withdraw(task);
  }

  async function expectPort(address: string): Promise<void> {
    if (served.has(address)) return;
    try {
      serve(await openOwn(address, port));
    } catch (fault) {
      if ((fault as NodeJS.ErrnoException).code !== 'EADDRNOTAVAIL') throw unserved(fault);
      if (!(await mayOpen(port))) throw unserved({ code: 'EACCES' });
    }
  }

  async function serveAt(address: string): Promise<void> {
    if (!served.has(address)) serve(await openOwn(address, port).catch((fault) => Promise.reject(unserved(fault))));
  }

  function serve(sockets: readonly NameSocket[]): void {
    for (const each of sockets) {
      served.set(each.address, [...(served.get(each.address) ?? []), each]);
      if (each.by === 'udp') serveUdp(each.socket, answer);
      else ends.push(serveTcp(each.server, { answer, enter }));
    }
  }

  function answer({ message, from, at, by }: Asked): Said {
    const asker = whoAsks(from, at, machines);
    if (asker === null) return null;
    const isHeard = asker === 'host' ? limits.take(asker, rates.host) : limits.take(from, rates.machine);
    if (!isHeard) return null;
    const read = readQuestion(message);
    if (read.is !== 'question') return read.is === 'refused' ? read.reply : null;
    const decided = decide(read.question, asker, placeAt(at), machines);
    return decided ?? forwarder.ask(from, read.question, by);
  }

  function enter(from: string, at: string): Disposable | null {
    const asker = whoAsks(from, at, machines);
    if (!asker) return null;
    const kind = asker === 'host' ? 'host' : 'machines';
    const own = connections.ofEach.get(from) ?? 0;
    const isFull = connections[kind] >= CONNECTIONS[kind];
    if (kind === 'host' ? isFull : own >= CONNECTIONS.machine || (own > 0 && isFull)) return null;
    connections[kind] += 1;
    connections.ofEach.set(from, own + 1);
    return {
      [Symbol.dispose]: () => {
        connections[kind] -= 1;
        const left = (connections.ofEach.get(from) ?? 1) - 1;
        if (left > 0) connections.ofEach.set(from, left);
        else connections.ofEach.delete(from);
      },
    };
  }
}

function placeAt(ownAddress: string) {
  const subnet = SUBNETS.findIndex((_network, number) => namesOf(number) === ownAddress);
  return { ownAddress, gateway: subnet < 0 ? ownAddress : gatewayOf(subnet) };
}

function unserved(cause: unknown): BangerError {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  return new BangerError('NAMES_UNSERVED', {
    message: `This daemon cannot answer for names of machines: ${IN_THE_WAY[code] ?? message}.`,
    hint: '"sudo banger system restart" has the daemon of systemd take over.',
    cause,
  });
}
