/**
 * A command of banger's own in the guest, with streams both ways. What comes back is counted and given piece by piece;
 * a guest that sends more than was agreed, or nothing for too long, ends the command with an error.
 */
import type { Readable } from 'node:stream';
import { BangerError } from '@banger/contract/errors.ts';
import type { ExecExit } from '@banger/contract/guest/command-messages.ts';
import { followCommand, type Guest } from '../guest/guest.ts';
import type { Task } from '../platform/task.ts';
import { guestScripts } from './guest-scripts.ts';
import { showName } from './tree-entries.ts';

const MAX_STDERR_BYTES = 4096;

export type GuestCommand = {
  argv: string[];
  cwd: string;
  /** Number or name; root when it is left out */
  user?: string;
  env?: Record<string, string>;
  stdin?: Readable;
  /** Gets standard output as it comes; the guest waits for it */
  onStdout?: (bytes: Buffer) => void | Promise<void>;
  /** The most that it may print */
  maxBytes: number;
};

/** Throws WORKSPACE_FAILED with the guest's words unless it exits with 0, WORKSPACE_REFUSED when it prints too much. */
export async function runInGuest(task: Task, guest: Guest, command: GuestCommand): Promise<void> {
  const { argv, cwd, user = null, env = {}, stdin } = command;
  const start = { argv, env, cwd, user, tty: null, stdin: stdin !== undefined, keep: false };
  let stdoutBytes = 0;
  let stderr = '';
  const exit = await followCommand(task, await guest.exec(task, start), {
    stdin,
    onStdout: (bytes) => {
      stdoutBytes += bytes.length;
      if (stdoutBytes > command.maxBytes) throw tooMuch(command.maxBytes);
      return command.onStdout?.(bytes);
    },
    onStderr: (bytes) => {
      stderr = (stderr + bytes.toString('latin1')).slice(-MAX_STDERR_BYTES);
    },
  });
  if (!('code' in exit) || exit.code !== 0) throw failed(exit, stderr);
}

/** As whoever owns the folder, so that git finds it safe, and what it writes is theirs. */
export async function runAsOwner(task: Task, guest: Guest, command: GuestCommand): Promise<void> {
  const said: Buffer[] = [];
  const argv = guestScripts.owner(command.cwd);
  await runInGuest(task, guest, { argv, cwd: '/', maxBytes: 100, onStdout: (bytes) => void said.push(bytes) });
  const uid = Buffer.concat(said).toString('latin1').trim();
  if (!/^[1-9]\d{0,9}$/.test(uid)) return runInGuest(task, guest, command);
  try {
    return await runInGuest(task, guest, { ...command, user: uid });
  } catch (fault) {
    if (!(fault instanceof BangerError) || fault.code !== 'COMMAND_NOT_EXECUTABLE') throw fault;
  }
  // Its owner cannot come there, as below /root: root can, and changes nothing of it.
  return runInGuest(task, guest, { ...command, env: { ...command.env, ...TRUSTING } });
}

const TRUSTING = { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' };

function failed(exit: ExecExit, stderr: string): BangerError {
  const how = 'code' in exit ? `exited with ${exit.code}` : `was ended by SIG${exit.signal}`;
  const words = showName(stderr.trim().split('\n').slice(-4).join('; '));
  return new BangerError('WORKSPACE_FAILED', {
    message: `git inside the guest ${how}${words ? `: ${words}` : ''}.`,
    hint: '"banger vm exec" enters the vm to see for yourself, "df -h" there tells whether its disk is full.',
  });
}

function tooMuch(maxBytes: number): BangerError {
  return new BangerError('WORKSPACE_REFUSED', {
    message: `The guest sent more than the ${maxBytes} bytes that are allowed; nothing was taken over.`,
    hint: 'Large files that are made in the guest belong in its .gitignore; "banger vm cp" brings single ones out.',
  });
}
