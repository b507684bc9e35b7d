/** `[host:]port[:port]`: where to listen on the host, and the port in the vm; for one command, or for as long as it runs. */
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

/** What a vm is made with. Port 0 would be another one at each start, and a name another address. Throws USAGE. */
export function parsePublish(text: string): Forward {
  const forward = parseForward(text);
  if (forward.hostPort !== 0) return forward.host === 'localhost' ? { ...forward, host: LOOPBACK } : forward;
  throw new BangerError('USAGE', {
    message: `"${text}" does not say which port is published.`,
    hint: 'Name the port here, such as 8080:80; "banger vm forward" takes any that is free.',
  });
}

export function parsePort(text: string, least = 1): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port >= least && port <= 65_535) return port;
  throw new BangerError('USAGE', {
    message: `"${text}" is not a port.`,
    hint: 'A port is a number from 1 to 65535.',
  });
}

const REFUSALS: Record<string, { why: string; hint: string }> = {
  EADDRINUSE: {
    why: 'another program listens there',
    hint: 'Choose another port, or end that program: "ss -ltnp" shows which it is.',
  },
  EACCES: { why: 'only root may', hint: 'Ports below 1024 are for root; choose one above, such as 8080:80.' },
  EADDRNOTAVAIL: {
    why: 'this host does not have that address',
    hint: '"ip address" shows the addresses of this host.',
  },
};

/** `cause`: of the system, as Node tells it */
export function portTaken({ host, hostPort }: Forward, cause: Error & { code?: string }): BangerError {
  const { why, hint } = REFUSALS[cause.code ?? ''] ?? { why: cause.message, hint: 'Choose another port or address.' };
  return new BangerError('PORT_TAKEN', {
    message: `${host} port ${hostPort} cannot be listened on: ${why}.`,
    hint,
    details: { host, port: hostPort },
    cause,
  });
}

/** "127.0.0.1:8080", "[::1]:8080" */
export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function notUnderstood(text: string): BangerError {
  return new BangerError('USAGE', {
    message: `"${text}" does not say what to forward.`,
    hint: 'Write 8080, or 3000:8080 for port 3000 here and 8080 in the vm, or 0.0.0.0:3000:8080 for all of the network.',
  });
}
