/** How a command is asked to end: Ctrl-C, kill, a terminal that goes. */

export const INTERRUPTS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Aborts at the first of each; a second one of the same kind ends the process as if nobody had listened. */
export function untilInterrupted(): AbortSignal {
  const stopping = new AbortController();
  for (const name of INTERRUPTS) process.once(name, () => stopping.abort());
  return stopping.signal;
}
