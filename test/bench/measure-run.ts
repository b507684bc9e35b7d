/** `banger vm run --rm -- true`, image cached and daemon up, as a multiple of the floor, on each driver that runs here. */
import type { DriverName } from '@banger/contract/api/vms.ts';
import { FIRECRACKER } from '../support/find-firecracker.ts';
import type { Bench } from './bench.ts';
import { type BenchHome, withHome } from './bench-home.ts';
import { accelOf, bootFloor } from './floor.ts';
import { type Row, row } from './report.ts';
import { elapsedMs, interleave, ratios } from './statistics.ts';

export const title = '`vm run --rm -- true` as a multiple of the floor';

export async function measure({ rounds = 15, say }: Bench): Promise<{ rows: Row[]; notes: string[] }> {
  return withHome({}, async (home) => {
    const drivers = driversHere(home);
    const runOn = (driver: DriverName) => home.banger('vm', 'run', '--rm', '--driver', driver, '--', 'true');
    for (const driver of drivers) await runOn(driver); // the first waits for the verdict on KVM
    const measures = drivers.flatMap((driver) => [
      [`floor ${driver}`, () => bootFloor(home, driver)] as const,
      [`run ${driver}`, () => elapsedMs(() => runOn(driver))] as const,
    ]);
    const took = await interleave(rounds, Object.fromEntries(measures), (round) =>
      say(`round ${round + 1} of ${rounds}`),
    );
    const of = (what: 'floor' | 'run', driver: DriverName) => took[`${what} ${driver}`] ?? [];
    const compared = drivers.length > 1 ? ratios(of('run', 'firecracker'), of('run', 'qemu')) : null;
    return {
      rows: [
        ...drivers.flatMap((driver) => [
          row(`floor: spawn of ${driver} to READY`, 'ms', of('floor', driver)),
          row(`vm run --rm -- true on ${driver}, start to end`, 'ms', of('run', driver)),
          row(`vm run by floor on ${driver}`, '×', ratios(of('run', driver), of('floor', driver)), { atMost: 1.35 }),
        ]),
        ...(compared ? [row('vm run on firecracker by vm run on qemu', '×', compared, { atMost: 1 })] : []),
      ],
      notes: [
        `accelerator ${accelOf(home.usual)}, ${home.usual.cpus} vcpu, ${home.usual.memoryBytes / 2 ** 20} MiB`,
        'the floor has the same initramfs and machine options, no drives, no network and no walls',
      ],
    };
  });
}

function driversHere({ usual }: BenchHome): DriverName[] {
  return FIRECRACKER !== null && accelOf(usual) === 'kvm' ? ['qemu', 'firecracker'] : ['qemu'];
}
