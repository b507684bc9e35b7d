/** `banger vm run --rm -- true`, image cached and daemon up, as a multiple of the floor. */
import type { Bench } from './bench.ts';
import { withHome } from './bench-home.ts';
import { accelOf, bootFloor } from './floor.ts';
import { type Row, row } from './report.ts';
import { elapsedMs, interleave, ratios } from './statistics.ts';

export const title = '`vm run --rm -- true` as a multiple of the floor';

export async function measure({ rounds = 15, say }: Bench): Promise<{ rows: Row[]; notes: string[] }> {
  return withHome({}, async (home) => {
    const { floor, run } = await interleave(
      rounds,
      { floor: () => bootFloor(home), run: () => elapsedMs(() => home.banger('vm', 'run', '--rm', '--', 'true')) },
      (round) => say(`round ${round + 1} of ${rounds}`),
    );
    return {
      rows: [
        row('floor: spawn of QEMU to READY', 'ms', floor),
        row('vm run --rm -- true, start to end', 'ms', run),
        row('vm run by floor', '×', ratios(run, floor), { atMost: 1.35 }),
      ],
      notes: [
        `accelerator ${accelOf(home.usual)}, ${home.usual.cpus} vcpu, ${home.usual.memoryBytes / 2 ** 20} MiB`,
        'the floor has the same initramfs and machine options, no drives and no network',
      ],
    };
  });
}
