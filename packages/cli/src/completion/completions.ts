/** What can be completed where, read off the table of commands; the three shells' scripts are made from it. */
import { COMMANDS, COMMON_FLAGS, type CommandName, type FlagSpec, GROUPS, specOf } from '../commands.ts';

/** `vms`, `images` and `kernels` are asked for when they are needed: "banger completion vms" */
export type Kind = 'vms' | 'images' | 'kernels' | 'files' | 'shells' | 'nothing';

export type FlagCompletion = { name: string; short: string | null; summary: string; value: Kind | null };

export type CommandCompletion = {
  /** "vm run", "doctor" */
  name: string;
  summary: string;
  flags: FlagCompletion[];
  arguments: Kind[];
  /** Its last argument may be given again */
  many: boolean;
};

export type Completions = {
  /** What comes first: groups, and commands of one word */
  first: Word[];
  /** What comes after each group */
  groups: { name: string; words: Word[] }[];
  commands: CommandCompletion[];
};

export type Word = { word: string; summary: string };

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export const LIVE_KINDS = ['vms', 'images', 'kernels'] as const;

const KIND_OF: Record<string, Kind> = {
  vm: 'vms',
  image: 'images',
  kernel: 'kernels',
  tarball: 'files',
  file: 'files',
  folder: 'files',
  repo: 'files',
  source: 'files',
  destination: 'files',
  shell: 'shells',
};

export function describeCompletions(): Completions {
  const names = Object.keys(COMMANDS) as CommandName[];
  const groups = Object.entries(GROUPS).map(([name, summary]) => ({ name, summary, words: wordsAfter(name, names) }));
  const alone = names
    .filter((name) => !name.includes(' '))
    .map((name) => ({ word: name, summary: specOf(name).summary }));
  return {
    first: [...groups.map(({ name, summary }) => ({ word: name, summary })), ...alone],
    groups: groups.map(({ name, words }) => ({ name, words })),
    commands: names.map(describeCommand),
  };
}

/** A group's commands may have more than one word left; the first of them is offered. */
function wordsAfter(group: string, names: CommandName[]): Word[] {
  const words = new Map<string, string>();
  for (const name of names) {
    const [first, second] = name.split(' ');
    if (first === group && second && !words.has(second)) words.set(second, specOf(name).summary);
  }
  return [...words].map(([word, summary]) => ({ word, summary }));
}

function describeCommand(name: CommandName): CommandCompletion {
  const { summary, flags = {}, arguments: takes = [] } = specOf(name);
  return {
    name,
    summary,
    flags: Object.entries<FlagSpec>({ ...flags, ...COMMON_FLAGS }).map(describeFlag),
    arguments: takes.map((argument) => KIND_OF[argument.name] ?? 'nothing'),
    many: takes.at(-1)?.many === true,
  };
}

function describeFlag([name, { type, short, placeholder = '', summary }]: [string, FlagSpec]): FlagCompletion {
  const value = type === 'switch' ? null : (KIND_OF[placeholder] ?? 'nothing');
  return { name: `--${name}`, short: short === undefined ? null : `-${short}`, summary, value };
}
