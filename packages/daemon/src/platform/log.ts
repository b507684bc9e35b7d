/** The daemon's log: one line an entry on standard error, which is daemon.log. Grep-able, no levels to configure. */
export type Log = { info(text: string): void; warn(text: string, cause?: unknown): void };

export function createLog(write: (line: string) => void): Log {
  const line = (level: string, text: string) => write(`${new Date().toISOString()} ${level} ${text}\n`);
  return {
    info: (text) => line('info', text),
    warn: (text, cause) => line('warn', cause === undefined ? text : `${text}: ${describe(cause)}`),
  };
}

function describe(cause: unknown): string {
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}
