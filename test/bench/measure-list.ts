/** Short commands, start to end, against a Node that does nothing: `banger vm ls`, and the doctor without a daemon. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Bench } from './bench.ts';
import { withHome } from './bench-home.ts';
import { type Row, row } from './report.ts';
import { elapsedMs, interleave, ratios } from './statistics.ts';

export const title = '`vm ls` and `doctor` against `node -e 0`';

export async function measure({ rounds = 40 }: Bench): Promise<{ rows: Row[]; notes: string[] }> {
  return withHome({}, async (home) => {
    await home.banger('vm', 'create', '--name', 'one');
    await home.banger('vm', 'create', '--name', 'two');
    const { node, list, doctor } = await interleave(rounds, {
      node: () => elapsedMs(() => runNode(home.env)),
      list: () => elapsedMs(() => home.banger('vm', 'ls')),
      doctor: () => elapsedMs(() => home.run(['doctor'])), // what it finds is not the question
    });
    return {
      rows: [
        row('node -e 0', 'ms', node),
        row('vm ls with two vms, start to end', 'ms', list),
        row('vm ls by node', '×', ratios(list, node)),
        row('doctor, start to end', 'ms', doctor),
      ],
      notes: [],
    };
  });
}

async function runNode(env: Record<string, string>): Promise<void> {
  await once(spawn(process.execPath, ['-e', '0'], { env, stdio: 'pipe' }), 'close');
}
