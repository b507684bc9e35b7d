/** What systemd opened for a service before it started it (sd_listen_fds_with_names). */

type Handed = { descriptor: number; unit: string };

const FIRST = 3;
/** More than the units of banger have */
const MAX = 64;

/** None for a process that was started by another one that had some. */
export function handedDescriptors(env: NodeJS.ProcessEnv, pid: number): Handed[] {
  const count = Number(env.LISTEN_FDS);
  if (env.LISTEN_PID !== String(pid) || !Number.isInteger(count) || count < 1 || count > MAX) return [];
  const units = (env.LISTEN_FDNAMES ?? '').split(':');
  return Array.from({ length: count }, (_none, index) => ({ descriptor: FIRST + index, unit: units[index] ?? '' }));
}
