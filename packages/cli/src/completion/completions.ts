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
  /** What begins more than one command, and the words that may follow: "" first, then "vm", "vm workspace" and so on */
  beginnings: { name: string; words: Word[] }[];
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
  const beginnings = new Map<string, Map<string, string>>();
  for (const name of names) {
    const words = name.split(' ');
    for (const [index, word] of words.entries()) {
      const beginning = words.slice(0, index).join(' ');
      const following = beginnings.get(beginning) ?? new Map();
      beginnings.set(beginning, following);
      // Where more words follow it stands for several commands, and is told as its group or as the first of them.
      const summary = (index === 0 && GROUPS[word as keyof typeof GROUPS]) || specOf(name).summary;
      if (!following.has(word)) following.set(word, summary);
    }
  }
  return {
    beginnings: [...beginnings].map(([name, following]) => ({
      name,
      words: [...following].map(([word, summary]) => ({ word, summary })),
    })),
    commands: names.map(describeCommand),
  };
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
