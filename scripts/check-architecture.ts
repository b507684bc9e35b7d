/**
 * Holds the imports to architecture.json: which group of files may import which, which npm packages each may load, which
 * files only decide (and so import no Node module), and which may start processes.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

type Group = { under: string; imports: string[]; packages?: string[] };
type Architecture = { groups: Record<string, Group>; everyone: string[]; pure: string[]; spawns: string[] };

const architecture = JSON.parse(readFileSync('architecture.json', 'utf8')) as Architecture;
const groups = Object.entries(architecture.groups);
const faults = globSync('packages/*/src/**/*.ts')
  .filter((file) => !/\.test\.ts$|-suite\.ts$|\/testing\//.test(file))
  .flatMap(faultsOf);
const missing = [...architecture.pure, ...architecture.spawns].filter((file) => globSync(file).length === 0);

for (const fault of faults) console.error(fault);
for (const file of missing) console.error(`architecture.json names ${file}, which does not exist`);
if (faults.length + missing.length > 0) process.exit(1);
console.log('architecture: every import follows architecture.json');

function faultsOf(file: string): string[] {
  return importsOf(file).flatMap((target) => {
    const fault = target.startsWith('node:')
      ? faultOfBuiltin(file, target)
      : target.startsWith('.') || target.startsWith('@banger/')
        ? faultOfFile(file, resolveFile(file, target))
        : faultOfPackage(file, target);
    return fault ? [`${file}: ${fault}`] : [];
  });
}

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/(?:\} from|^import .* from|import\(|^import)\s*'([^'\s]+)'/gm)].map(
    (match) => match[1] as string,
  );
}

function faultOfBuiltin(file: string, target: string): string | null {
  if (architecture.pure.includes(file)) return `only decides, and may not import ${target}`;
  const maySpawn = target !== 'node:child_process' || architecture.spawns.includes(file);
  return maySpawn ? null : 'starts processes; only platform/run-process.ts may';
}

function faultOfFile(file: string, target: string): string | null {
  const from = groupOf(file);
  const to = groupOf(target);
  if (from === to || architecture.everyone.includes(to)) return null;
  const allowed = architecture.groups[from]?.imports ?? [];
  return allowed.includes('*') || allowed.includes(to) ? null : `${from} may not import ${to} (${target})`;
}

function faultOfPackage(file: string, target: string): string | null {
  const allowed = architecture.groups[groupOf(file)]?.packages ?? [];
  return allowed.some((name) => target === name || target.startsWith(`${name}/`)) ? null : `may not load ${target}`;
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
