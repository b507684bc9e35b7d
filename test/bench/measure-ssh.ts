/**
 * `vm ssh -- true` against the same OpenSSH with a plain ProxyCommand, which carries it to the guest's own sshd on port
 * 22. banger's ssh has an sshd of its own for each connection, and keys that are put into the guest once a boot.
 */
import { join } from 'node:path';
import { CHECKOUT } from '../support/banger-home.ts';
import type { Bench } from './bench.ts';
import { withHome } from './bench-home.ts';
import { runSsh, startGuestSshd } from './guest-sshd.ts';
import { type Row, row } from './report.ts';
import { elapsedMs, interleave, ratios } from './statistics.ts';

export const title = '`vm ssh -- true` against ssh with a plain ProxyCommand';

const VM = 'ssh';

export async function measure({ rounds = 15 }: Bench): Promise<{ rows: Row[]; notes: string[] }> {
  return withHome({}, async (home) => {
    await home.startCalmVm(VM);
    const login = await startGuestSshd(home, VM);
    const proxy = `ProxyCommand=${join(CHECKOUT, 'bin/banger')} vm proxy ${VM} 22`;
    const config = join(home.paths.data, 'ssh/config');
    const measures = {
      plain: () => elapsedMs(() => runSsh(home, [...login, '-o', proxy, 'root@bench', 'true'])),
      vmSsh: () => elapsedMs(() => home.banger('vm', 'ssh', VM, '--', 'true')),
      byName: () => elapsedMs(() => runSsh(home, ['-F', config, `${VM}.vm`, 'true'])),
    };
    await home.banger('vm', 'ssh', VM, '--', 'true'); // makes the keys
    await interleave(1, measures); // loads pages and translates code, in the guest too
    const { plain, vmSsh, byName } = await interleave(rounds, measures);
    return {
      rows: [
        row('ssh with a plain ProxyCommand to port 22, start to end', 'ms', plain),
        row('vm ssh -- true, start to end', 'ms', vmSsh),
        row(`ssh ${VM}.vm true, start to end`, 'ms', byName),
        row('vm ssh by plain ssh', '×', ratios(vmSsh, plain)),
        row('ssh by name by plain ssh', '×', ratios(byName, plain)),
      ],
      notes: ['the plain ProxyCommand is "banger vm proxy <vm> 22", so that both go the same way into the vm'],
    };
  });
}
