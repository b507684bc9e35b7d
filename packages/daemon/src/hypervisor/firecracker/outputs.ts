/**
 * What a Firecracker writes, in files that are bounded: the guest's console, which is its standard output, and its own log.
 *
 * Both come by FIFOs. Firecracker holds each open for reading too, so that it never waits for a reader and is never told
 * that there is none: what finds no room is dropped. They end with the process, once all of it was read.
 */
import { closeSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { makeFifos, openFifo, openForProcess } from '../../platform/fifos.ts';
import type { Log } from '../../platform/log.ts';
import type { Task } from '../../platform/task.ts';
import { keepBoundedLog } from '../bounded-log.ts';
import { ConsoleWords } from './console-words.ts';
import { LogWords } from './log-words.ts';
import type { machineFiles } from './plan-config.ts';

type Files = ReturnType<typeof machineFiles>;

export type Outputs = {
  words: LogWords;
  console: ConsoleWords;
  /** Resolves when the guest has written to its console */
  spoken: Promise<void>;
  /** Resolves when the process has ended and all of it is in the files */
  ended: Promise<unknown>;
  stop(): void;
};

/** The ends that the process gets; to be closed once it has them. Safe to repeat. */
export type WritingEnds = { stdout: number; stderr: number; close(): void };

export async function makeEnds(task: Task, files: Files, logPath: string): Promise<WritingEnds> {
  const fifos = [files.consoleFifo, files.logFifo];
  await makeFifos(task, fifos);
  await symlink(logPath, files.logLink);
  const [stdout, stderr] = fifos.map(openForProcess) as [number, number];
  let isOpen = true;
  return { stdout, stderr, close };

  function close(): void {
    if (isOpen) for (const end of [stdout, stderr]) closeSync(end);
    isOpen = false;
  }
}

export async function keepOutputs(files: Files, consolePath: string, log: Log): Promise<Outputs> {
  const words = new LogWords();
  const consoleWords = new ConsoleWords();
  const { promise: spoken, resolve } = Promise.withResolvers<void>();
  const keep = (fifo: string, path: string, onBytes: (bytes: Buffer) => void) =>
    keepBoundedLog({ open: (onRead) => openFifo(fifo, onRead), path, log, onBytes });
  const console = await keep(files.consoleFifo, consolePath, (bytes) => {
    resolve();
    consoleWords.push(bytes);
  });
  const own = await keep(files.logFifo, files.logLink, words.push).catch((fault) => {
    console.stop();
    throw fault;
  });
  return {
    ...{ words, console: consoleWords, spoken },
    ended: Promise.all([console.ended, own.ended]),
    stop() {
      console.stop();
      own.stop();
    },
  };
}
