/**
 * `make host-bench`: `make bench` in Debian 13 with KVM, a vm of banger's on an emulated processor, where Firecracker runs too.
 * There ratios count, and no milliseconds. It has one processor, so nothing else should run beside it.
 *
 *     node test/bench/in-host.ts [what run.ts takes; --only run --rounds 3 without it]
 */
import { once } from 'node:events';
import { createDebian13Host } from '../support/debian-13-host.ts';
import { ROOT } from '../support/host-machine.ts';

/** The checkout is on a drive that is only read, and a bench writes beside it; its homes are hard links of what was prepared. */
const CHECKOUT = '/root/bench';
const HOMES = `${CHECKOUT}/build/test-data/homes`;
const PREPARE = `
  mkdir ${CHECKOUT} /root/above /root/work
  mount -t overlay overlay -o lowerdir=/root/banger,upperdir=/root/above,workdir=/root/work ${CHECKOUT}
  mount --bind /root/test-data ${CHECKOUT}/build/test-data
  mkdir ${HOMES}
  if [ -e ${CHECKOUT}/firecracker ]; then cp ${CHECKOUT}/firecracker /usr/local/bin; fi`;

const ends: (() => Promise<void>)[] = [];
const owner = { name: 'bench in a host', after: (end: () => Promise<void>) => void ends.push(end) };
const flags = process.argv.length > 2 ? process.argv.slice(2) : ['--only', 'run', '--rounds', '3'];
try {
  console.error('host: Debian 13 boots');
  const host = await createDebian13Host(owner, ROOT);
  await host.asRoot(['sh', '-ec', PREPARE]);
  const program = [`${CHECKOUT}/node_modules/node/bin/node`, `${CHECKOUT}/test/bench/run.ts`, ...flags];
  const environment = [`PATH=${ROOT.path}`, `TMPDIR=${HOMES}`, 'BANGER_BOOT_TIMEOUT_MS=300000'];
  const bench = host.start(['env', ...environment, ...program]);
  bench.stdin?.end();
  bench.stdout?.pipe(process.stdout);
  bench.stderr?.pipe(process.stderr);
  const [code] = await once(bench, 'close');
  process.exitCode = code ?? 1;
} finally {
  for (const end of ends) await end();
}
