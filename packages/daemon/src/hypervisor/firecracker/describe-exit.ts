/** What the end of a Firecracker means: its exit code, the last words of its log and of its guest in, one answer out. */
import type { GOODBYES } from '@banger/contract/guest/vsock.ts';
import type { MachineExit } from '../hypervisor.ts';

/** Null where it is not known */
export type Ending = { code: number | null; signal: NodeJS.Signals | null };

/** What the guest said that it was about to do */
export type Goodbye = (typeof GOODBYES)[number];

type End = {
  /** Of a process that this daemon started */
  process: Ending | null;
  /** What its log says */
  log: Ending | null;
  goodbye: Goodbye | null;
  isKilled: boolean;
  /** It was ended since its guest had halted */
  hasHalted: boolean;
};

const CODES: Record<number, string> = {
  1: 'it failed, or its guest met a fault that no processor recovers from',
  2: 'it met an error that it did not expect',
  148: 'it was stopped at a system call that it may not make',
  149: 'memory or a file of its own was gone (SIGBUS), as on a host that is out of memory',
  150: 'it met a fault of its own (SIGSEGV)',
  151: 'a file became larger than it may be (SIGXFSZ)',
  152: 'its configuration is wrong',
  153: 'its arguments are wrong',
  154: 'it took more of the processor than it may (SIGXCPU)',
  155: 'nobody read what it wrote (SIGPIPE)',
  156: 'it was told to hang up (SIGHUP)',
  157: 'it met an instruction that this processor does not have (SIGILL)',
};

/** A guest cannot power a machine off: it says that it will, and resets. One that only resets, after a panic, says nothing. */
export function describeExit({ process, log, goodbye, isKilled, hasHalted }: End): MachineExit {
  if (isKilled) return { by: 'host', detail: 'killed' };
  if (hasHalted) return { by: 'guest', how: 'power-off', detail: 'guest halted' };
  const end = process ?? log;
  if (end?.code === 0 || (end === null && goodbye))
    return { by: 'guest', how: goodbye ?? 'reset', detail: `guest ${goodbye ?? 'reset'}` };
  return { by: 'lost', detail: end === null ? 'Firecracker ended without a word' : describeEnding(end) };
}

export function describeEnding({ code, signal }: Ending): string {
  // What waits for it on the way gives a signal that ended it as a code.
  if (signal ?? (code !== null && code > 128 && code < 148))
    return `Firecracker was ended by ${signal ?? `signal ${(code ?? 0) - 128}`}`;
  return `Firecracker ended with code ${code}${code !== null && CODES[code] ? `: ${CODES[code]}` : ''}`;
}
