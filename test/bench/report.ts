/** What the measurements found, as a table for people and as JSON for programs. */
import { execFileSync } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';
import { type Summary, summarize } from './statistics.ts';

export type Unit = 'ms' | 'MB/s' | 'MiB' | 'KiB/round' | '1/round' | '×' | '';

/** One line of the table. `aim` is what it should be, as a bound; only ratios have one, since hosts differ. */
export type Row = { what: string; unit: Unit } & Summary & { aim?: Aim };
export type Aim = { atMost: number } | { atLeast: number };

export type Section = { name: string; title: string; notes: string[]; rows: Row[] };

export function row(what: string, unit: Unit, values: readonly number[], aim?: Aim): Row {
  return { what, unit, ...summarize(values), ...(aim && { aim }) };
}

export function describeHost(): Record<string, string> {
  const qemu = execFileSync('qemu-system-x86_64', ['--version'], { encoding: 'utf8' }).split('\n')[0] ?? '';
  return {
    processors: `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: release(),
    qemu: qemu.replace('QEMU emulator version ', ''),
    node: process.version,
  };
}

export function renderMarkdown(host: Record<string, string>, sections: readonly Section[]): string {
  const facts = Object.entries(host).map(([name, value]) => `${name} ${value}`);
  return ['# banger bench', facts.join(' · '), ...sections.map(renderSection)].join('\n\n').concat('\n');
}

function renderSection({ name, title, notes, rows }: Section): string {
  const table = renderTable([['', 'median', 'p95', 'rounds', 'aim'], ...rows.map(cellsOf)]);
  const list = notes.map((note) => `- ${note}`).join('\n');
  return [`## ${name}: ${title}`, table, ...(list ? [list] : [])].join('\n\n');
}

function cellsOf({ what, unit, median, p95, rounds, aim }: Row): string[] {
  const bound = aim && ('atMost' in aim ? `≤ ${aim.atMost}` : `≥ ${aim.atLeast}`);
  const verdict = aim ? `${bound} ${isMet(median, aim) ? '✓' : '✗'}` : '';
  return [what, withUnit(median, unit), p95 === median ? '' : withUnit(p95, unit), String(rounds), verdict];
}

function renderTable(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(3, ...rows.map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: string[]) =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  const [head = [], ...body] = rows;
  return [line(head), rule, ...body.map(line)].join('\n');
}

function withUnit(value: number, unit: Unit): string {
  const digits = unit === '×' ? 3 : Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toFixed(digits)}${unit === '' ? '' : ` ${unit}`}`;
}

function isMet(value: number, aim: Aim): boolean {
  return 'atMost' in aim ? value <= aim.atMost : value >= aim.atLeast;
}
