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
  if (!(cause instanceof Error)) return String(cause);
  const own = cause.stack ?? cause.message;
  return cause.cause === undefined ? own : `${own}\n  caused by ${describe(cause.cause)}`;
}
