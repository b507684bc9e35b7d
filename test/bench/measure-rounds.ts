/**
 * Whether the daemon grows: its memory and descriptors over rounds of create, run and remove.
 *
 * Fifty rounds are real boots. V8 takes memory for some dozens of rounds before it collects, so two hundred more run on
 * the fake hypervisor, which goes the same way through the daemon in a tenth of the time: growth shows there.
 */
import { join } from 'node:path';
import { CHECKOUT } from '../support/banger-home.ts';
import type { Bench } from './bench.ts';
import { withHome } from './bench-home.ts';
import { type DaemonSize, readDaemonSize } from './measure-memory.ts';
import { type Row, row } from './report.ts';
import { slope } from './statistics.ts';

export const title = 'growth of the daemon over rounds of create, run and remove';

const REAL_ROUNDS = 50;
const FAKE_ROUNDS = 200;
const FAKE_QEMU = { BANGER_QEMU: join(CHECKOUT, 'test/support/fake-qemu'), BANGER_HYPERVISOR_SEES: CHECKOUT };

export async function measure({ rounds = REAL_ROUNDS, say }: Bench): Promise<{ rows: Row[]; notes: string[] }> {
  const fakeRounds = Math.ceil((FAKE_ROUNDS / REAL_ROUNDS) * rounds);
  const real = await sizesOver(rounds, {}, (round) => say(`real boot ${round} of ${rounds}`));
  const fake = await sizesOver(fakeRounds, FAKE_QEMU, (round) => say(`fake boot ${round} of ${fakeRounds}`));
  return {
    rows: [...rowsOf('real boots', real), ...rowsOf('fake hypervisor', fake)],
    notes: ['growth is the median slope over the second half of the rounds; resident memory is that of all of them'],
  };
}

async function sizesOver(
  rounds: number,
  env: Record<string, string>,
  onRound: (round: number) => void,
): Promise<DaemonSize[]> {
  return withHome({ env }, async (home) => {
    const pid = await home.daemonPid();
    const sizes: DaemonSize[] = [];
    for (let round = 1; round <= rounds; round++) {
      if (round % 10 === 0) onRound(round);
      await home.banger('vm', 'run', '--rm', '--', 'true');
      sizes.push(readDaemonSize(pid));
    }
    return sizes;
  });
}

function rowsOf(what: string, sizes: DaemonSize[]): Row[] {
  const later = sizes.slice(Math.floor(sizes.length / 2));
  const growthOf = (values: number[]) => ({ rounds: values.length, values: [slope(values)] });
  const memory = growthOf(later.map(({ residentMib }) => residentMib * 1024));
  const descriptors = growthOf(later.map(({ descriptors }) => descriptors));
  return [
    row(
      `${what}: resident`,
      'MiB',
      sizes.map(({ residentMib }) => residentMib),
    ),
    { ...row(`${what}: memory grows by`, 'KiB/round', memory.values), rounds: memory.rounds },
    {
      ...row(`${what}: descriptors grow by`, '1/round', descriptors.values, { atMost: 0 }),
      rounds: descriptors.rounds,
    },
  ];
}
