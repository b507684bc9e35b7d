/** How a command is asked to end: Ctrl-C, kill, a terminal that goes. */

export const INTERRUPTS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Aborts at the first of each; a second one of the same kind ends the process as if nobody had listened. */
export function untilInterrupted(): AbortSignal {
  const stopping = new AbortController();
  for (const name of INTERRUPTS) process.once(name, () => stopping.abort());
  return stopping.signal;
}

/** The signal aborts at the first of each while the work goes on, and no longer. */
export async function whileInterruptible<Value>(work: (signal: AbortSignal) => Promise<Value>): Promise<Value> {
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  for (const name of INTERRUPTS) process.on(name, stop);
  try {
    return await work(stopping.signal);
  } finally {
    for (const name of INTERRUPTS) process.off(name, stop);
  }
}
