/**
 * `make bench`: measures banger on this machine, against what the same machine does at best. Ratios within one run, since
 * hosts differ and are rarely quiet. Writes a table to stdout and build/bench/bench.md, and build/bench/bench.json.
 *
 *     node test/bench/run.ts [--rounds N] [--only run,exec] [--list]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CHECKOUT } from '../support/banger-home.ts';
import * as exec from './measure-exec.ts';
import * as list from './measure-list.ts';
import * as memory from './measure-memory.ts';
import * as rounds from './measure-rounds.ts';
import * as run from './measure-run.ts';
import * as ssh from './measure-ssh.ts';
import * as steps from './measure-steps.ts';
import * as throughput from './measure-throughput.ts';
import * as workspace from './measure-workspace.ts';
import { describeHost, renderMarkdown, type Section } from './report.ts';

const MEASUREMENTS = { run, steps, exec, ssh, workspace, throughput, list, memory, rounds };
type Name = keyof typeof MEASUREMENTS;
const NAMES = Object.keys(MEASUREMENTS) as Name[];
const OUTPUT = join(CHECKOUT, 'build/bench');

const { values: flags } = parseArgs({
  options: { rounds: { type: 'string' }, only: { type: 'string', multiple: true }, list: { type: 'boolean' } },
});

if (flags.list) {
  for (const name of NAMES) console.log(`${name.padEnd(12)}${MEASUREMENTS[name].title}`);
} else {
  await measureAll(chosenNames(), chosenRounds());
}

async function measureAll(names: Name[], rounds: number | null): Promise<void> {
  const sections: Section[] = [];
  for (const name of names) {
    const beganMs = performance.now();
    const say = (line: string) => console.error(`${name}: ${line}`);
    const { title, measure } = MEASUREMENTS[name];
    say(title);
    const { rows, notes } = await measure({ say, ...(rounds !== null && { rounds }) });
    say(`done in ${Math.round((performance.now() - beganMs) / 1000)} s`);
    sections.push({ name, title, rows, notes });
    write(sections); // after each, so that what was measured is kept when a later one fails
  }
  console.log(renderMarkdown(describeHost(), sections));
}

function write(sections: Section[]): void {
  const host = describeHost();
  mkdirSync(OUTPUT, { recursive: true });
  writeFileSync(join(OUTPUT, 'bench.md'), renderMarkdown(host, sections));
  const document = { measuredAt: new Date().toISOString(), host, sections };
  writeFileSync(join(OUTPUT, 'bench.json'), `${JSON.stringify(document, null, 2)}\n`);
}

function chosenNames(): Name[] {
  const wanted = (flags.only ?? []).flatMap((names) => names.split(','));
  const unknown = wanted.filter((name) => !NAMES.includes(name as Name));
  if (unknown.length > 0) fail(`there is no measurement "${unknown[0]}"; there are ${NAMES.join(', ')}`);
  return wanted.length === 0 ? NAMES : NAMES.filter((name) => wanted.includes(name));
}

function chosenRounds(): number | null {
  if (flags.rounds === undefined) return null;
  const rounds = Number(flags.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) fail(`--rounds takes a whole number from 1, not "${flags.rounds}"`);
  return rounds;
}

function fail(message: string): never {
  console.error(`bench: ${message}`);
  process.exit(64);
}
