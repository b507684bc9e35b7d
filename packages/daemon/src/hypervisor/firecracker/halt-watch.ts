/**
 * Notices that a guest has halted, which ends no Firecracker: what powers off without our agent's word leaves a process whose
 * processors sleep for ever.
 *
 * The kernel says it on the console, where any program may print the same, as one does that shows an old log. So the guest is
 * looked at then: it is given a connection, which wakes whatever still runs, and it has halted when no processor of it woke.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { VSOCK_PORTS } from '@banger/contract/guest/vsock.ts';
import { Task } from '../../platform/task.ts';
import { listThreads } from '../../platform/threads.ts';
import { connectSocket } from '../../platform/unix-sockets.ts';
import type { ConsoleWords } from './console-words.ts';

/** After its line a kernel still stops its other processors, which takes a second, and on a busy host more */
const LOOKS = { count: 10, pauseMs: 500, stillMs: 1000 };
/** For Firecracker to answer, where it is not stopped */
const ANSWER_LIMIT_MS = 5000;

export type HaltLooks = typeof LOOKS;

type HaltParts = {
  pid: number;
  /** Where Firecracker takes connections to the guest */
  vsockPath: string;
  words: ConsoleWords;
  /** Nobody was there who could have read the console */
  isAdopted: boolean;
  onHalt: () => void;
  looks?: HaltLooks | undefined;
};

/** `look`: at a guest that could not be looked at before, since it was stopped. */
export function watchForHalt(parts: HaltParts): { look: () => void; end: () => void } {
  const { pid, vsockPath, words, isAdopted, onHalt, looks = LOOKS } = parts;
  const over = new AbortController();
  const task = Task.background().withSignal(over.signal);
  follow().catch(() => {}); // the watch is over
  return { look: () => words.halted.ring(), end: () => over.abort() };

  async function follow(): Promise<void> {
    for (let isSuspect = isAdopted || words.hasHalted; ; isSuspect = true) {
      const said = words.halted.next();
      if (isSuspect && (await isHalted())) return onHalt();
      await task.race(said);
    }
  }

  async function isHalted(): Promise<boolean> {
    for (let look = 1; look <= looks.count; look++) {
      await delay(looks.pauseMs, undefined, { ref: false, signal: over.signal });
      if (await sleepsThrough(task, pid, vsockPath, looks.stillMs)) return true;
    }
    return false;
  }
}

/** Whether none of the guest's processors wakes though it has something to answer. */
async function sleepsThrough(task: Task, pid: number, vsockPath: string, stillMs: number): Promise<boolean> {
  const limited = task.within(ANSWER_LIMIT_MS);
  const before = listProcessors(pid);
  if (before.length === 0 || before.some(({ isAsleep }) => !isAsleep)) return false;
  let call: Socket | undefined;
  try {
    call = await say(limited, vsockPath, `CONNECT ${VSOCK_PORTS.nobody}\n`);
    await ask(limited, vsockPath); // so it has told the guest
    await delay(stillMs, undefined, { ref: false, signal: limited.signal });
    await ask(limited, vsockPath); // and was not stopped meanwhile
    return isDeepStrictEqual(listProcessors(pid), before);
  } catch {
    task.check();
    return false; // Firecracker ended, or was too busy to tell its guest
  } finally {
    call?.destroy();
  }
}

function listProcessors(pid: number) {
  return listThreads(pid).filter(({ name }) => name.startsWith('fc_vcpu '));
}

/** Firecracker itself ends a connection to what is no port, after those that came before it. */
async function ask(task: Task, vsockPath: string): Promise<void> {
  const socket = await say(task, vsockPath, 'CONNECT -\n');
  try {
    if (!socket.closed) await task.race(once(socket, 'close'));
  } finally {
    socket.destroy();
  }
}

async function say(task: Task, vsockPath: string, words: string): Promise<Socket> {
  const socket = await connectSocket(task, vsockPath);
  socket.on('error', () => {}).resume(); // "close" follows
  socket.write(words);
  return socket;
}
