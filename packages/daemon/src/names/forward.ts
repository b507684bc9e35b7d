/**
 * What machines ask about the rest of the world is asked of the host's own name servers, one after the other until one answers.
 * Nobody but a machine gets here. A guest is hostile, so what it can keep busy is bounded; questions beyond are dropped.
 */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, isIPv6 } from 'node:net';
import { deadlineAfter } from '../platform/deadline.ts';
import { CODES, giveBack, isAnswerTo, isFailure, type Question, writeAnswer } from './message.ts';

/** Each has a socket while it waits. Beyond it a machine has one, so that others never keep it from all. */
const MAX_AT_ONCE = 256;
const MAX_OF_ONE = 32;
/** Less than the 5 s after which a guest asks again, with two servers */
const SERVER_LIMIT_MS = 2000;
/** How long one that did not answer is asked last */
const REST_MS = 30_000;
const MAX_ANSWER_BYTES = 65_535;

type ForwarderParts = {
  readServers: () => Promise<string[]>;
  monotonicMs: () => number;
  port: number;
  limitMs?: number;
};

type By = 'udp' | 'tcp';

export function createForwarder({ readServers, monotonicMs, port, limitMs = SERVER_LIMIT_MS }: ForwarderParts) {
  const ofEach = new Map<string, number>();
  const restingUntil = new Map<string, number>();
  let all = 0;
  return { ask };

  /** Null when too many wait. */
  async function ask(who: string, question: Question, by: By): Promise<Buffer | null> {
    const own = ofEach.get(who) ?? 0;
    if (own >= MAX_OF_ONE || (own > 0 && all >= MAX_AT_ONCE)) return null;
    all += 1;
    ofEach.set(who, own + 1);
    try {
      return await askEach(question, by);
    } finally {
      all -= 1;
      const left = (ofEach.get(who) ?? 1) - 1;
      if (left > 0) ofEach.set(who, left);
      else ofEach.delete(who);
    }
  }

  /** That of the first server with an answer, or that there is none. */
  async function askEach(question: Question, by: By): Promise<Buffer> {
    let failure: Buffer | null = null;
    for (const server of inOrder(await readServers())) {
      const answer = await askOne(server, question, by);
      if (answer === null) restingUntil.set(server, monotonicMs() + REST_MS);
      else if (!isFailure(answer)) return answer;
      else failure ??= answer;
    }
    return failure ?? writeAnswer(question, { code: CODES.failure, hasRecursion: true });
  }

  function inOrder(servers: string[]): string[] {
    for (const [server, until] of restingUntil) {
      if (until <= monotonicMs() || !servers.includes(server)) restingUntil.delete(server);
    }
    return servers.toSorted((a, b) => Number(restingUntil.has(a)) - Number(restingUntil.has(b)));
  }

  /** Under a number of our own: a stranger who would answer first has to guess it, and our port. Null is silence. */
  async function askOne(server: string, question: Question, by: By): Promise<Buffer | null> {
    const asked = Buffer.concat([randomBytes(2), question.message.subarray(2)]);
    const isWanted = (answer: Buffer) => isAnswerTo(question, asked, answer);
    const limit = deadlineAfter(limitMs);
    const said =
      (by === 'tcp' ? await askByTcp(server, asked, limit).catch(() => null) : null) ??
      (await askByUdp(server, asked, isWanted, deadlineAfter(limitMs)).catch(() => null)); // some know nothing else
    if (!said || !isWanted(said)) return null;
    return giveBack(question, said);
  }

  async function askByUdp(server: string, asked: Buffer, isWanted: (answer: Buffer) => boolean, signal: AbortSignal) {
    const socket = createSocket(isIPv6(server) ? 'udp6' : 'udp4');
    try {
      const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
      socket.on('message', (answer) => isWanted(answer) && resolve(answer)).on('error', reject);
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      socket.connect(port, server, (fault?: Error) => (fault ? reject(fault) : socket.send(asked)));
      return await promise;
    } finally {
      socket.close();
    }
  }

  async function askByTcp(server: string, asked: Buffer, signal: AbortSignal): Promise<Buffer> {
    const socket = connect({ host: server, port, signal });
    socket.on('error', () => {}); // told by whatever waits
    try {
      await once(socket, 'connect', { signal });
      const length = Buffer.alloc(2);
      length.writeUInt16BE(asked.length);
      socket.write(Buffer.concat([length, asked]));
      return await readOne(socket);
    } finally {
      socket.destroy();
    }
  }
}

async function readOne(socket: AsyncIterable<Buffer>): Promise<Buffer> {
  let read = Buffer.alloc(0);
  for await (const piece of socket) {
    read = Buffer.concat([read, piece]);
    if (read.length > 2 + MAX_ANSWER_BYTES) break;
    if (read.length >= 2 && read.length >= 2 + read.readUInt16BE()) return read.subarray(2, 2 + read.readUInt16BE());
  }
  throw new Error('it ends before its answer does');
}
