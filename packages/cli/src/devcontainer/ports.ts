/** Ports that a devcontainer.json asks for: here on the loopback and nowhere else. Pure. */
import type { Forward } from '@banger/contract/forward.ts';
import { listOf } from './fields.ts';
import { invalid, quoted } from './read-document.ts';

const LOOPBACK = '127.0.0.1';
/** What "host:port" may say when it means the machine itself */
const SELF = new Set(['localhost', '127.0.0.1', '0.0.0.0', '[::1]', '[::]']);

export type AskedPorts = { ports: Forward[]; notes: string[] };

/** `forwardPorts` are numbers or "host:port", `appPort` is one or more numbers or "here:there". */
export function portsOf(forwardPorts: unknown, appPort: unknown): AskedPorts {
  const notes: string[] = [];
  const asked = listOf(forwardPorts, 'forwardPorts').flatMap((each) => forwardOf(each, notes));
  const published = listOf(Array.isArray(appPort) ? appPort : wrap(appPort), 'appPort').flatMap((each) =>
    publishOf(each, notes),
  );
  return { ports: withoutTwice([...asked, ...published]), notes };
}

function wrap(value: unknown): unknown[] {
  return value === undefined || value === null ? [] : [value];
}

function forwardOf(value: unknown, notes: string[]): Forward[] {
  const [host, port] = typeof value === 'string' && value.includes(':') ? splitLast(value) : ['localhost', value];
  const guestPort = portOf(port, 'forwardPorts');
  if (SELF.has(host)) return [{ host: LOOPBACK, hostPort: guestPort, guestPort }];
  notes.push(`forwardPorts: ${quoted(String(value))} is a port of another machine, and is left out.`);
  return [];
}

function publishOf(value: unknown, notes: string[]): Forward[] {
  if (typeof value !== 'string' || /^\d+$/.test(value)) return forwardOf(value, notes);
  const [, here, there] = /^(?:127\.0\.0\.1:|localhost:)?(\d+):(\d+)$/.exec(value) ?? [];
  if (here !== undefined && there !== undefined) {
    return [{ host: LOOPBACK, hostPort: portOf(here, 'appPort'), guestPort: portOf(there, 'appPort') }];
  }
  notes.push(`appPort: ${quoted(value)} is left out; "banger vm run -p" takes addresses other than ${LOOPBACK}.`);
  return [];
}

function splitLast(text: string): [host: string, port: string] {
  const at = text.lastIndexOf(':');
  return [text.slice(0, at), text.slice(at + 1)];
}

function portOf(value: unknown, key: string): number {
  const text = typeof value === 'number' ? String(value) : value;
  const port = typeof text === 'string' && /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw invalid(`In ${quoted(key)} is something that is no port.`);
}

function withoutTwice(ports: Forward[]): Forward[] {
  return ports.filter(
    ({ hostPort, guestPort }, index) =>
      !ports.slice(0, index).some((before) => before.hostPort === hostPort || before.guestPort === guestPort),
  );
}
