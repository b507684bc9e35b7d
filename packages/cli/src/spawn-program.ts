/** Starts another program for the command. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { toBangerError } from '@banger/contract/errors.ts';

export type Program = ChildProcess;

/** Resolves when it runs: a program that could not be started has no streams. Throws TOO_MANY_FILES, HOST_EXHAUSTED and the like. */
export async function spawnProgram(program: string, words: string[], options: SpawnOptions): Promise<Program> {
  const child = spawn(program, words, options);
  try {
    await once(child, 'spawn');
  } catch (cause) {
    throw toBangerError(cause);
  }
  child.on('error', () => {}); // a signal that could not be sent any more
  return child;
}
