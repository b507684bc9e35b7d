/**
 * One command in a guest, from its start to its exit: bytes both ways, signals, the terminal. What `vm run`, `vm exec`
 * and `vm attach` have in common.
 */
import { cleanLine } from '@banger/contract/clean-text.ts';
import { BangerError, toBangerError } from '@banger/contract/errors.ts';
import { meaningOf } from '@banger/contract/guest/agent-codes.ts';
import type { AgentFailure, ExecExit, ExecStarted } from '@banger/contract/guest/command-messages.ts';
import type { ExecStart } from '@banger/contract/guest/messages.ts';
import type { FrameStream } from '@banger/sdk/frame-stream.ts';
import { openGuestOutput } from './guest-output.ts';
import { stderr, stdout } from './output/standard-streams.ts';
import { EXIT_BROKEN_PIPE, isTerminal } from './output/terminal.ts';

export type GuestCommand = {
  /** Sends the first frame */
  begin: (stream: FrameStream) => Promise<void>;
  hasTty: boolean;
  hasStdin: boolean;
  /** Leave, rather than forward, at Ctrl-] on a terminal, and at these signals: the command goes on without us */
  canLeave?: boolean;
  onStarted?: (started: ExecStarted) => void;
};

/** `exit` null: we left, and the command goes on or was hung up; `exitCode` is ours in any case. */
export type Outcome = { exit: ExecExit | null; exitCode: number };

const FORWARDED = ['INT', 'TERM', 'HUP', 'QUIT', 'USR1', 'USR2'] as const;
type SignalName = (typeof FORWARDED)[number];
const SIGNAL_NUMBERS: Record<SignalName, number> = { HUP: 1, INT: 2, QUIT: 3, USR1: 10, USR2: 12, TERM: 15 };

/** So many interrupts within so long mean that the guest does not listen */
const PRESSES_TO_LEAVE = 3;
const PRESSES_WITHIN_MS = 2000;
const LEAVE_KEY = 0x1d; // Ctrl-]

export async function followGuestCommand(stream: FrameStream, command: GuestCommand): Promise<Outcome> {
  const stdout = openGuestOutput(1);
  const stderr = openGuestOutput(2);
  const left = Promise.withResolvers<Outcome>();
  const leave = (exitCode: number) => left.resolve({ exit: null, exitCode });
  void stdout.broken.then(() => leave(EXIT_BROKEN_PIPE));
  void stderr.broken.then(() => leave(EXIT_BROKEN_PIPE));

  const stopSignals = handleSignals(stream, command, leave);
  let stopInput = () => {};
  try {
    await command.begin(stream);
    return await Promise.race([left.promise, readEvents()]);
  } finally {
    stopInput();
    stopSignals();
    stream.close();
  }

  async function readEvents(): Promise<Outcome> {
    for await (const event of stream.events()) {
      switch (event.is) {
        case 'started':
          command.onStarted?.(event.started);
          stopInput = command.hasTty ? passTerminal(stream, command, leave) : passStdin(stream, command, left.reject);
          break;
        case 'stdout':
          await stdout.write(event.bytes);
          break;
        case 'stderr':
          await stderr.write(event.bytes);
          break;
        case 'exit':
          await Promise.all([stdout.flush(), stderr.flush()]);
          return { exit: event.exit, exitCode: await exitCodeOf(event.exit) };
        case 'failed':
          throw failureOf(event.failure);
      }
    }
    throw new BangerError('VM_LOST', {
      message: 'The connection to the command broke before it ended.',
      hint: '"banger vm show" says how the vm is, "banger vm logs" shows its console.',
    });
  }
}

/** Starts a command that goes on without us; gives its session. */
export async function startDetached(stream: FrameStream, start: ExecStart): Promise<ExecStarted> {
  try {
    await stream.start({ ...start, keep: true });
    for await (const event of stream.events()) {
      if (event.is === 'started') return event.started;
      if (event.is === 'failed') throw failureOf(event.failure);
    }
    throw new BangerError('VM_LOST', {
      message: 'The connection to the vm broke before the command was started.',
      hint: '"banger vm show" says how the vm is, "banger vm logs" shows its console.',
    });
  } finally {
    stream.close();
  }
}

function handleSignals(stream: FrameStream, { hasTty, canLeave }: GuestCommand, leave: (exitCode: number) => void) {
  let pressedMs: number[] = [];
  const handlers = FORWARDED.map((name) => [`SIG${name}`, () => onSignal(name)] as const);
  for (const [signal, handler] of handlers) process.on(signal, handler);
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };

  function onSignal(name: SignalName): void {
    // A terminal that is gone, or somebody who wants this program to end; the guest hangs up what has no keeper.
    const endsUs =
      (hasTty && (name === 'HUP' || name === 'TERM')) || (canLeave && name !== 'INT' && !name.startsWith('USR'));
    if (endsUs || isUnheard(name)) leave(128 + SIGNAL_NUMBERS[name]);
    else void stream.signal(name);
  }

  function isUnheard(name: SignalName): boolean {
    if (name !== 'INT' && name !== 'TERM') return false;
    const nowMs = Date.now();
    pressedMs = [...pressedMs.filter((atMs) => nowMs - atMs < PRESSES_WITHIN_MS), nowMs];
    return pressedMs.length >= PRESSES_TO_LEAVE;
  }
}

/** stdin as it is, at the guest's pace. What breaks off in its middle is not passed on as if it were whole. */
function passStdin(stream: FrameStream, { hasStdin }: GuestCommand, fail: (fault: Error) => void): () => void {
  if (!hasStdin) return () => {};
  let isStopped = false;
  void pump();
  return () => {
    isStopped = true;
    process.stdin.destroy();
  };

  async function pump(): Promise<void> {
    try {
      for await (const chunk of process.stdin) {
        if (isStopped) return;
        await stream.stdin(chunk as Buffer);
      }
    } catch (fault) {
      if (!isEmptyStdin(fault as NodeJS.ErrnoException)) return fail(toBangerError(fault));
    }
    if (!isStopped) await stream.endStdin();
  }
}

/** Closed, a folder, or a terminal that is another's at the moment */
function isEmptyStdin({ code }: NodeJS.ErrnoException): boolean {
  return code === 'EBADF' || code === 'EISDIR' || process.stdin.isTTY;
}

/** The whole terminal: every key goes to the guest, every change of size too. */
function passTerminal(stream: FrameStream, { canLeave }: GuestCommand, leave: (exitCode: number) => void): () => void {
  const { stdin, stdout } = process;
  const isRaw = stdin.isTTY === true;
  const restore = () => {
    if (isRaw) stdin.setRawMode(false);
  };
  if (isRaw) stdin.setRawMode(true);
  process.on('exit', restore); // whatever ends us
  let last = '';
  const resize = () => {
    const size = JSON.stringify(terminalSize());
    if (size === last) return;
    last = size;
    void stream.resize(terminalSize());
  };
  stdout.on('resize', resize);
  resize();

  stdin.on('data', onKeys);
  stdin.once('end', onEnd);
  stdin.on('error', onEnd); // the terminal is gone, also for `restore`
  return () => {
    stdin.off('data', onKeys);
    stdin.off('end', onEnd);
    stdin.pause();
    stdout.off('resize', resize);
    process.off('exit', restore);
    restore();
  };

  function onKeys(keys: Buffer): void {
    const at = canLeave ? keys.indexOf(LEAVE_KEY) : -1;
    if (at >= 0) {
      leave(0);
      return;
    }
    stdin.pause();
    void stream.stdin(keys).then(() => stdin.resume());
  }

  function onEnd(): void {
    void stream.endStdin();
  }
}

export function terminalSize(): { cols: number; rows: number } {
  const { columns, rows } = isTerminal(1) ? stdout() : stderr();
  return { cols: Math.min(4096, columns || 80), rows: Math.min(4096, rows || 24) };
}

async function exitCodeOf(exit: ExecExit): Promise<number> {
  if ('code' in exit) return exit.code;
  const { constants } = await import('node:os');
  const named = constants.signals[`SIG${exit.signal}` as NodeJS.Signals];
  return 128 + (named ?? (Number(exit.signal) || 0));
}

const MISSING_COMMAND_HINT =
  'It is looked up in the PATH of its user in there. What the image lacks can be installed, with apt-get for example.';

const NO_SHELL_HINT =
  'An image without a shell runs only programs of its own: name one after "--". "banger image show" tells which it starts.';

const MISSING_USER_HINT = '"--user root" is there in every machine, and so is every number.';

export function failureOf({ code, message }: AgentFailure): BangerError {
  const known = meaningOf(code, 'SESSION_NOT_FOUND');
  const hint = code === 'NO_SHELL' ? NO_SHELL_HINT : MISSING_COMMAND_HINT;
  return new BangerError(known, {
    message: cleanLine(message),
    ...(known === 'COMMAND_NOT_FOUND' && { hint }),
    ...(known === 'USER_NOT_FOUND' && { hint: MISSING_USER_HINT }),
    details: { guestCode: cleanLine(code) },
  });
}
