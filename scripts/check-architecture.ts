/**
 * Holds the imports to architecture.json: which group of files may import which, and which files of it; which npm packages
 * each may load, and who may not load one even through others; which files only decide, and so import no Node module; and
 * which may start processes. An arrow that nobody uses, and groups that import each other in a circle, are faults too.
 */
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';

type Group = {
  under: string;
  imports: string[];
  packages?: string[];
  /** What others may import, besides the file with the folder's name */
  doors?: string[];
};
type Architecture = {
  groups: Record<string, Group>;
  /** Groups that anyone below a folder may import, and every file of them */
  everyone: Record<string, string>;
  /** Whose files may not load a package, neither by themselves nor through what they import */
  lean: { group: string; without: string }[];
  pure: string[];
  spawns: string[];
};
type Import = { target: string; isType: boolean };

const architecture = JSON.parse(readFileSync('architecture.json', 'utf8')) as Architecture;
const groups = Object.entries(architecture.groups);
const files = globSync('packages/*/src/**/*.ts').filter((file) => !/\.test\.ts$|-suite\.ts$|\/testing\//.test(file));
const imports = new Map(files.map((file) => [file, importsOf(file)]));
const usedArrows = new Set<string>();

const faults = [
  ...files.flatMap(faultsOf),
  ...[...architecture.pure, ...architecture.spawns, ...doorsOfAll()].flatMap(faultOfMissing),
  ...groups.flatMap(([name, { imports: to }]) => to.flatMap((other) => faultOfArrow(name, other))),
  ...groups.flatMap(([name]) => faultOfCircle(name)),
  ...architecture.lean.flatMap(faultsOfLean),
];
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exit(1);
console.log('architecture: every import follows architecture.json');

function faultsOf(file: string): string[] {
  return (imports.get(file) ?? []).flatMap(({ target }) => {
    const fault = target.startsWith('node:')
      ? faultOfBuiltin(file, target)
      : isOurs(target)
        ? faultOfFile(file, resolveFile(file, target))
        : faultOfPackage(file, target);
    return fault ? [`${file}: ${fault}`] : [];
  });
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8');
  const found = text.matchAll(
    /^(?:import|export)\s+(type\s)?[^;'"]*?from\s*'([^']+)'|\bimport\('([^']+)'\)|^import\s*'([^']+)'/gm,
  );
  return [...found].map(([, type, from, called, alone]) => {
    return { target: (from ?? called ?? alone) as string, isType: type !== undefined };
  });
}

function isOurs(target: string): boolean {
  return target.startsWith('.') || target.startsWith('@banger/');
}

function faultOfBuiltin(file: string, target: string): string | null {
  if (architecture.pure.includes(file)) return `only decides, and may not import ${target}`;
  const maySpawn = target !== 'node:child_process' || architecture.spawns.includes(file);
  return maySpawn ? null : 'starts processes; only platform/run-process.ts may';
}

function faultOfFile(file: string, target: string): string | null {
  const from = groupOf(file);
  const to = groupOf(target);
  const everyoneBelow = architecture.everyone[to];
  if (from === to || (everyoneBelow !== undefined && file.startsWith(everyoneBelow))) return null;
  const allowed = architecture.groups[from]?.imports ?? [];
  usedArrows.add(`${from} ${to}`);
  if (allowed.includes('*')) return null;
  if (!allowed.includes(to)) return `${from} may not import ${to} (${target})`;
  return doorsOf(to).includes(target) ? null : `${to} is imported by its door, which ${target} is not`;
}

/** A group without a folder of its own has no door: its files are its parts. */
function doorsOf(name: string): string[] {
  const { under, doors = [] } = architecture.groups[name] as Group;
  return [...doors.map((door) => under + door), `${under}${basename(under)}.ts`];
}

function doorsOfAll(): string[] {
  return groups.flatMap(([, { under, doors = [] }]) => doors.map((door) => under + door));
}

function faultOfPackage(file: string, target: string): string | null {
  const allowed = architecture.groups[groupOf(file)]?.packages ?? [];
  return allowed.some((name) => target === name || target.startsWith(`${name}/`)) ? null : `may not load ${target}`;
}

function faultOfMissing(file: string): string[] {
  return files.includes(file) ? [] : [`architecture.json names ${file}, which does not exist`];
}

function faultOfArrow(from: string, to: string): string[] {
  if (to === '*' || usedArrows.has(`${from} ${to}`)) return [];
  return [`architecture.json lets ${from} import ${to}, and nothing does`];
}

function faultOfCircle(start: string): string[] {
  const seen = new Set<string>();
  const next = [...arrowsOf(start)];
  for (let name = next.pop(); name !== undefined; name = next.pop()) {
    if (name === start) return [`${start} imports itself through others`];
    if (!seen.has(name)) next.push(...arrowsOf(name));
    seen.add(name);
  }
  return [];
}

/** A group that may import everything builds the services, and closes no circle. */
function arrowsOf(name: string): string[] {
  const { imports: to } = architecture.groups[name] as Group;
  return to.includes('*') ? [] : to;
}

function faultsOfLean({ group, without }: Architecture['lean'][number]): string[] {
  return files
    .filter((file) => groupOf(file) === group)
    .flatMap((file) => {
      const way = wayTo(file, without, new Set());
      return way ? [`${group} may not load ${without}: ${way.join(' > ')}`] : [];
    });
}

/** The chain of files by which one loads a package; types load nothing. */
function wayTo(file: string, name: string, seen: Set<string>): string[] | null {
  if (seen.has(file)) return null;
  seen.add(file);
  for (const { target, isType } of imports.get(file) ?? []) {
    if (isType || target.startsWith('node:')) continue;
    if (!isOurs(target)) {
      if (target === name || target.startsWith(`${name}/`)) return [file, name];
      continue;
    }
    const way = wayTo(resolveFile(file, target), name, seen);
    if (way) return [file, ...way];
  }
  return null;
}

function resolveFile(file: string, target: string): string {
  const shared = /^@banger\/([^/]+)\/(.+)$/.exec(target);
  return shared ? `packages/${shared[1]}/src/${shared[2]}` : normalize(join(dirname(file), target));
}

/** The group with the longest matching folder. */
function groupOf(file: string): string {
  const [found] = groups
    .filter(([, { under }]) => file.startsWith(under))
    .sort(([, left], [, right]) => right.under.length - left.under.length);
  if (!found) throw new Error(`${file} is in no group of architecture.json`);
  return found[0];
}
