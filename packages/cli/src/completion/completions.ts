/** What can be completed where, read off the table of commands; the three shells' scripts are made from it. */
import {
  type ArgumentSpec,
  COMMANDS,
  COMMON_FLAGS,
  type CommandName,
  type FlagSpec,
  GROUPS,
  type LiveKind,
  specOf,
} from '../commands.ts';

/**
 * What a value is completed with: `vms`, `images` and `kernels` are asked for when they are needed, by "banger completion
 * vms"; a list is the values that there are; `nothing` is free text.
 */
export type Kind = LiveKind | 'files' | 'nothing' | readonly string[];

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
  /** May stand before the words of a command too */
  commonFlags: FlagCompletion[];
};

export type Word = { word: string; summary: string };

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
    commonFlags: Object.entries<FlagSpec>(COMMON_FLAGS).map(describeFlag),
  };
}

function describeCommand(name: CommandName): CommandCompletion {
  const { summary, flags = {}, arguments: takes = [] } = specOf(name);
  return {
    name,
    summary,
    flags: Object.entries<FlagSpec>({ ...flags, ...COMMON_FLAGS }).map(describeFlag),
    arguments: takes.map(kindOf),
    many: takes.at(-1)?.many === true,
  };
}

function describeFlag([name, spec]: [string, FlagSpec]): FlagCompletion {
  const { type, short, summary } = spec;
  const value = type === 'switch' ? null : kindOf(spec);
  return { name: `--${name}`, short: short === undefined ? null : `-${short}`, summary, value };
}

function kindOf({ values, completes }: FlagSpec | ArgumentSpec): Kind {
  return values ?? completes ?? 'nothing';
}

/** A kind as one word of a shell's script; `a,b` is a list. */
export function kindWord(kind: Kind): string {
  return typeof kind === 'string' ? kind : kind.join(',');
}
