/** `[host:]port[:port]`: where to listen on the host, and the port in the vm. Plain values. */
import { BangerError } from './errors.ts';

export type Forward = {
  host: string;
  /** 0: any that is free */
  hostPort: number;
  guestPort: number;
};

const LOOPBACK = '127.0.0.1';
const FORM = /^(?:(\[[0-9a-fA-F:.]+\]|[^:[\]]+):)??(\d{1,5})(?::(\d{1,5}))?$/;

export function parseForward(text: string): Forward {
  const [, host, first, second] = FORM.exec(text) ?? [];
  if (first === undefined) throw notUnderstood(text);
  const guestPort = parsePort(second ?? first);
  return { host: host?.replace(/^\[|\]$/g, '') ?? LOOPBACK, hostPort: parsePort(first, 0), guestPort };
}

export function parsePort(text: string, least = 1): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port >= least && port <= 65_535) return port;
  throw new BangerError('USAGE', {
    message: `"${text}" is not a port.`,
    hint: 'A port is a number from 1 to 65535.',
  });
}

function notUnderstood(text: string): BangerError {
  return new BangerError('USAGE', {
    message: `"${text}" does not say what to forward.`,
    hint: 'Write 8080, or 3000:8080 for port 3000 here and 8080 in the vm, or 0.0.0.0:3000:8080 for all of the network.',
  });
}
