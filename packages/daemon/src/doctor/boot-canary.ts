/**
 * "doctor --boot": a small vm is made, used and removed, and each thing that a vm is for is timed. The vm is ephemeral,
 * so nothing is left even when the daemon dies on the way.
 */
import { randomBytes } from 'node:crypto';
import type { Check, TimedCheck } from '@banger/contract/api/doctor.ts';
import { MIB } from '@banger/contract/api/vms.ts';
import { wordsOf } from '@banger/contract/errors.ts';
import { parseVmName } from '@banger/contract/names.ts';
import type { Guest } from '../guest/guest.ts';
import { Task } from '../platform/task.ts';
import type { Vms } from '../vms/vms.ts';
import { fail, pass, warn } from './check.ts';
import { findOutside } from './outside.ts';

const SIZE = { cpus: 1, memoryBytes: 512 * MIB, diskBytes: 1024 * MIB };
const COMMAND_LIMIT_MS = 20_000;
const STOP_LIMIT_MS = 60_000;
const MAX_CLOCK_OFF_MS = 2000;
const WRITTEN_MIB = 16;

type CanaryParts = { vms: Vms; outside?: typeof findOutside };

/** Never throws for what does not work, only when it is cancelled. */
export async function bootCanary(task: Task, { vms, outside = findOutside }: CanaryParts): Promise<TimedCheck[]> {
  const name = parseVmName(`doctor-${randomBytes(4).toString('hex')}`);
  const checks: TimedCheck[] = [];
  const reachable = outside();
  try {
    const { hasWorked } = await time('boot', async () => {
      const { state } = await vms.create(task, { name, ...SIZE, start: true, ephemeral: true });
      return pass('boot', `a vm booted${state.is === 'running' ? ` under ${state.driver} (${state.accel})` : ''}`);
    });
    if (!hasWorked) return checks;
    task.step('try it');
    await time('agent', () => useGuest(answers));
    await time('clock', () => useGuest(keepsTime));
    await time('dns', () => useGuest(async (guest, limited) => resolves(guest, limited, (await reachable).resolved)));
    await time('outbound', () =>
      useGuest(async (guest, limited) => connects(guest, limited, (await reachable).reached)),
    );
    await time('disk write', () => useGuest(writes));
    task.step('shut it down');
    await time('shutdown', async () => {
      const { how } = await vms.stop(task, name, STOP_LIMIT_MS);
      if (how === 'shut-down') return pass('shutdown', 'it shut down by itself');
      return fail('shutdown', `it did not shut down within ${STOP_LIMIT_MS / 1000} s and was killed`);
    });
    return checks;
  } finally {
    if (checks[0]?.status === 'pass') await vms.remove(Task.background(), name, true);
  }

  async function time(what: string, work: () => Promise<Check>): Promise<{ hasWorked: boolean }> {
    task.check();
    const beganMs = performance.now();
    const check = await work().catch((thrown): Check => {
      task.check(); // given up, which is no finding
      return fail(what, wordsOf(thrown), null);
    });
    checks.push({ ...check, durationMs: Math.round(performance.now() - beganMs) });
    return { hasWorked: check.status === 'pass' };
  }

  async function useGuest(work: (guest: Guest, limited: Task) => Promise<Check>): Promise<Check> {
    const limited = task.within(COMMAND_LIMIT_MS);
    return work(await vms.guest(limited, name), limited);
  }
}

async function answers(guest: Guest, task: Task): Promise<Check> {
  const { exit } = await guest.run(task, ['true']);
  return 'code' in exit && exit.code === 0 ? pass('agent', 'it ran a command') : fail('agent', 'a command failed');
}

async function keepsTime(guest: Guest, task: Task): Promise<Check> {
  const beforeMs = Date.now();
  const { stdout } = await guest.run(task, ['date', '+%s']);
  return judgeClock(Number(stdout.toString('utf8', 0, 20)) * 1000, beforeMs, Date.now());
}

/** `guestMs` is in whole seconds, read at some moment between the two of the host. */
export function judgeClock(guestMs: number, beforeMs: number, afterMs: number): Check {
  const offMs = Math.max(beforeMs - (guestMs + 1000), guestMs - afterMs, 0);
  if (offMs <= MAX_CLOCK_OFF_MS) return pass('clock', 'it has the time of this host');
  return fail('clock', `it is ${Number.isNaN(offMs) ? 'not readable' : `${Math.round(offMs / 1000)} s off`}`);
}

async function resolves(guest: Guest, task: Task, name: string | null): Promise<Check> {
  if (name === null) return warn('dns', 'not tried: this host resolves no name either');
  const { exit } = await guest.run(task, ['getent', 'hosts', name]);
  const hasWorked = 'code' in exit && exit.code === 0;
  return hasWorked ? pass('dns', `it resolves ${name}`) : fail('dns', `it does not resolve ${name}; this host does`);
}

async function connects(
  guest: Guest,
  task: Task,
  to: Awaited<ReturnType<typeof findOutside>>['reached'],
): Promise<Check> {
  if (to === null) return warn('outbound', 'not tried: this host reaches no server that it knows either');
  const where = `${to.name}:${to.port}`;
  const { exit } = await guest.run(task, ['bash', '-c', 'exec 3<>"/dev/tcp/$0/$1"', to.name, String(to.port)]);
  const hasWorked = 'code' in exit && exit.code === 0;
  return hasWorked
    ? pass('outbound', `it reaches ${where}`)
    : fail('outbound', `it does not reach ${where}; this host does`);
}

async function writes(guest: Guest, task: Task): Promise<Check> {
  const script = `cd && dd if=/dev/zero of=.banger-doctor bs=1M count=${WRITTEN_MIB} conv=fsync && rm .banger-doctor`;
  const { exit, stderr } = await guest.run(task, ['sh', '-c', script]);
  if ('code' in exit && exit.code === 0) return pass('disk write', `${WRITTEN_MIB} MiB are on its disk`);
  return fail('disk write', stderr.toString('utf8', 0, 200).trim().split('\n').at(-1) ?? 'it failed');
}
