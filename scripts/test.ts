/**
 * Runs the named suites (all of them when none is named) and closes with one line: `N passed, N failed, N skipped`, summed
 * over all runners.
 *
 * With --coverage it prints the coverage per package too. That comes from every Node process of the run, the commands
 * and daemons that the tests start included: they get NODE_V8_COVERAGE by way of
 * BANGER_TEST_COVERAGE. Types are stripped in place, so V8's
 * positions are those of the sources. It is exact only without Node's compile cache, so that each command takes four
 * times as long: a run without it is quicker, and starts banger as users do.
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { ALLOWED_SKIPS } from '../test/support/allowed-skips.ts';

type Counts = { passed: number; failed: number; skipped: { title: string; why: string }[] };

const SUITES = {
  unit: { files: ['packages/*/src/**/*.test.ts', 'test/bench/**/*.test.ts'], concurrency: 2 },
  integration: { files: ['test/integration/**/*.test.ts'], concurrency: 2 },
  // The long ones first, so that none of them is left over for one processor; three, since each often waits: with two it
  // takes 1.4 times as long.
  smoke: {
    files: ['test/smoke/{ssh,workspace,commands,lifecycle,copy}.test.ts', 'test/smoke/*.test.ts'],
    concurrency: 3,
  },
  // Each takes so much of the host that the time limits of a test beside it would pass
  alone: { files: ['test/smoke/alone/*.test.ts'], concurrency: 1 },
  host: { files: ['test/host/*.test.ts'], concurrency: 1 },
  // Most of an hour: "make host-test" runs it, and "make test" does not
  system: { files: ['test/host/system/*.test.ts'], concurrency: 1 },
} as const;

type SuiteName = keyof typeof SUITES | 'rust';
const ALL: SuiteName[] = ['rust', 'unit', 'integration', 'smoke', 'alone', 'host'];
const COVERAGE = 'build/coverage';
const COMPILED = 'build/test/node-compile-cache';

const withCoverage = process.argv.includes('--coverage');
const asked = process.argv.slice(2).filter((word) => word !== '--coverage') as SuiteName[];
rmSync(COVERAGE, { recursive: true, force: true });
// For the test files, which inherit it
if (withCoverage) process.env.NODE_V8_COVERAGE = `${COVERAGE}/tmp`;
else process.env.NODE_COMPILE_CACHE = resolve(COMPILED);

const total: Counts = { passed: 0, failed: 0, skipped: [] };
for (const name of asked.length > 0 ? asked : ALL) {
  const beganMs = performance.now();
  const counts = name === 'rust' ? runCargo() : await runNode(name);
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped.push(...counts.skipped);
  console.log(`${name}: ${describe(counts)} in ${Math.round((performance.now() - beganMs) / 1000)} s\n`);
}

const unexpected = total.skipped.filter(({ title }) => !Object.hasOwn(ALLOWED_SKIPS, title));
for (const { title, why } of unexpected) console.error(`skipped without leave: ${title} (${why})`);
if (withCoverage) printCoverage();
console.log(describe(total));
process.exit(total.failed > 0 || unexpected.length > 0 || total.passed === 0 ? 1 : 0);

async function runNode(name: Exclude<SuiteName, 'rust'>): Promise<Counts> {
  const { files, concurrency } = SUITES[name];
  const counts: Counts = { passed: 0, failed: 0, skipped: [] };
  // Unlike the command line it keeps the order. A file that does not load is a test that failed.
  const tests = run({ files: [...new Set(files.flatMap((pattern) => globSync(pattern).sort()))], concurrency });
  tests.on('test:pass', ({ details, name, skip }) => {
    if (details.type === 'suite') return;
    if (skip === undefined) counts.passed++;
    else counts.skipped.push({ title: name, why: String(skip) });
  });
  tests.on('test:fail', ({ details }) => {
    if (details.type !== 'suite') counts.failed++;
  });
  const reported = tests.compose(new spec());
  reported.pipe(process.stdout, { end: false });
  await once(reported, 'end');
  return counts;
}

function runCargo(): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: [] };
  for (const crate of ['guest/agent', 'host/kernel', 'host/link', 'host/root']) {
    // Cargo reads its settings, which make the program static, from the folder that it is called in.
    const { status, stdout } = spawnSync('cargo', ['test', '--quiet', '--locked', '--release'], {
      cwd: crate,
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
    });
    process.stdout.write(stdout);
    const failedBefore = counts.failed;
    for (const [, passed, failed, ignored] of stdout.matchAll(/(\d+) passed; (\d+) failed; (\d+) ignored/g)) {
      counts.passed += Number(passed);
      counts.failed += Number(failed);
      if (Number(ignored) > 0) counts.skipped.push({ title: `cargo test of ${crate}`, why: `${ignored} ignored` });
    }
    if (status !== 0 && counts.failed === failedBefore) counts.failed += 1;
  }
  return counts;
}

function printCoverage(): void {
  const { status } = spawnSync(
    'node_modules/.bin/c8',
    [
      'report',
      '--temp-directory',
      `${COVERAGE}/tmp`,
      '--reports-dir',
      COVERAGE,
      '--reporter',
      'json-summary',
      '--all',
    ].concat(['--src', 'packages', '--include', 'packages/*/src/**/*.ts', '--exclude', '**/*.test.ts']),
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  if (status !== 0) throw new Error('the coverage could not be computed');
  const summary = JSON.parse(readFileSync(`${COVERAGE}/coverage-summary.json`, 'utf8')) as Record<
    string,
    { lines: { total: number; covered: number } }
  >;
  const lines = new Map<string, { total: number; covered: number }>();
  for (const [file, entry] of Object.entries(summary)) {
    const name = /packages\/([^/]+)\/src/.exec(file)?.[1];
    if (name === undefined) continue;
    const sum = lines.get(name) ?? { total: 0, covered: 0 };
    lines.set(name, { total: sum.total + entry.lines.total, covered: sum.covered + entry.lines.covered });
  }
  console.log('coverage, lines, the processes that tests started included:');
  for (const [name, { total, covered }] of [...lines].sort()) {
    console.log(`  ${name.padEnd(10)} ${((100 * covered) / total).toFixed(1).padStart(5)} %  of ${total}`);
  }
}

function describe({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed, ${skipped.length} skipped`;
}
