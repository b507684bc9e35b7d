/** What network-probe tries, each step after the one before. It runs as root of its namespace, as a guest would that had taken passt over. */
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export type ProbeStep =
  | { tcp: string; port: number }
  /** Again and again until its outcome is this */
  | { until: string; tcp: string; port: number }
  /** By a guest, whom nobody tells that it is refused */
  | { shut: string; port: number }
  | { udp: string; port: number }
  | { name: string; kind: 'A' | 'AAAA' }
  | { write: string; text: string };

const LIMIT_MS = 20_000;
/** Of what is tried again: one whose first packet went to an address that was not there yet would wait for ever */
const ATTEMPT_MS = 1000;

if (import.meta.main) {
  const outcomes: string[] = [];
  for (const step of JSON.parse(process.env.PROBE_STEPS ?? '[]') as ProbeStep[]) {
    outcomes.push(await outcomeOf(step));
  }
  console.log(JSON.stringify(outcomes));
  process.exit();
}

async function outcomeOf(step: ProbeStep): Promise<string> {
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    const outcome = await take(step).catch((fault: NodeJS.ErrnoException) => fault.code ?? fault.message);
    if (!('until' in step) || outcome === step.until || performance.now() > deadline) return outcome;
    await delay(50);
  }
}

async function take(step: ProbeStep): Promise<string> {
  if ('until' in step) return tryTcp(step.tcp, step.port, ATTEMPT_MS);
  if ('shut' in step) return tryTcp(step.shut, step.port, ATTEMPT_MS).catch(() => 'nothing');
  if ('tcp' in step) return tryTcp(step.tcp, step.port, LIMIT_MS);
  if ('udp' in step) return tryUdp(step.udp, step.port);
  if ('name' in step) return askFor(step.name, step.kind);
  writeFileSync(step.write, step.text);
  return 'written';
}

async function tryTcp(host: string, port: number, limitMs: number): Promise<string> {
  const socket = connect({ host, port, signal: AbortSignal.timeout(limitMs) });
  const [answer] = await once(socket, 'data');
  return String(answer);
}

async function tryUdp(host: string, port: number): Promise<string> {
  const socket = createSocket('udp4');
  const answered = once(socket, 'message', { signal: AbortSignal.timeout(LIMIT_MS) });
  socket.send('hello', port, host, (fault) => fault && socket.emit('error', fault));
  return String((await answered)[0]);
}

async function askFor(name: string, kind: 'A' | 'AAAA'): Promise<string> {
  const resolver = new Resolver({ timeout: LIMIT_MS, tries: 1 });
  resolver.setServers(['10.0.2.3']);
  return (await resolver.resolve(name, kind)).join();
}
