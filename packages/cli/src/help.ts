/** Help as text, made from the table. */
import { BangerError } from '@banger/contract/errors.ts';
import { nearest } from '@banger/contract/suggest.ts';
import {
  COMMANDS,
  COMMON_FLAGS,
  type CommandName,
  type CommandSpec,
  type FlagSpec,
  GROUPS,
  specOf,
} from './commands.ts';

const WIDTH = 80;

/** What is added to the summary of a flag, by its name */
export type FlagNotes = Readonly<Record<string, string>>;

/** Of banger, of a group, or of a command. */
export function helpFor(words: readonly string[], notes: FlagNotes = {}): string {
  const name = words.join(' ');
  if (name === '') return overview();
  if (Object.hasOwn(GROUPS, name)) return groupHelp(name as keyof typeof GROUPS);
  if (Object.hasOwn(COMMANDS, name)) return commandHelp(name as CommandName, notes);
  if (commandsOf(name).length > 0) return familyHelp(name);
  const found = nearest(name, [...Object.keys(GROUPS), ...Object.keys(COMMANDS)]);
  throw new BangerError('USAGE', {
    message: `There is no command "${name}".`,
    hint: found === null ? 'See "banger help".' : `Did you mean "banger help ${found}"?`,
  });
}

function overview(): string {
  const alone = Object.keys(COMMANDS).filter((name) => !name.includes(' '));
  return [
    'banger: one-command development sandboxes on microVMs',
    '',
    '  banger vm run                    a shell in a fresh machine',
    '  banger vm run --rm -- uname -a   one command, nothing left afterwards',
    '',
    ...Object.entries(GROUPS).flatMap(([group, summary]) => [
      `${summary}:`,
      ...columns(commandsOf(group).map((name) => [name, specOf(name).summary])),
      '',
    ]),
    'More:',
    ...columns(alone.map((name) => [name, specOf(name as CommandName).summary])),
    '',
    '"banger help <command>" or "banger <command> --help" tells more about one of them.',
    '',
  ].join('\n');
}

function groupHelp(group: keyof typeof GROUPS): string {
  return familyHelp(group, GROUPS[group]);
}

/** Of commands that begin with the same words */
function familyHelp(group: string, summary?: string): string {
  return [
    `banger ${group}${summary === undefined ? '' : `: ${summary}`}`,
    '',
    ...columns(commandsOf(group).map((name) => [name, specOf(name).summary])),
    '',
    `"banger ${group} <command> --help" tells more about one of them.`,
    '',
  ].join('\n');
}

function commandHelp(name: CommandName, notes: FlagNotes): string {
  const spec = specOf(name);
  const parts = [`${spec.summary}.`, '', `Usage: ${usageLine(name)}`];
  for (const paragraph of spec.details ?? []) parts.push('', ...wrap(paragraph, WIDTH));
  if (spec.arguments)
    parts.push('', 'Arguments:', ...columns(spec.arguments.map((each) => [`<${each.name}>`, each.summary])));
  if (spec.flags) {
    const noted = ([left, right]: [string, string], note?: string): [string, string] => [
      left,
      note ? `${right}; ${note}` : right,
    ];
    const rows = Object.entries(spec.flags).map((flag) => noted(flagRow(flag), notes[flag[0]]));
    parts.push('', 'Flags:', ...columns(rows));
  }
  parts.push('', 'Every command, before its name too:', ...columns(Object.entries(COMMON_FLAGS).map(flagRow)));
  parts.push('', 'Examples:', ...spec.examples.flatMap(({ does, line }) => [`  ${does}:`, `    ${line}`]), '');
  return parts.join('\n');
}

export function commandsOf(group: string): CommandName[] {
  return Object.keys(COMMANDS).filter((name) => name.startsWith(`${group} `)) as CommandName[];
}

/** "banger vm exec [flags] <vm> [-- command…]" */
export function usageLine(name: CommandName): string {
  const spec: CommandSpec = specOf(name);
  const words = ['banger', name, ...(spec.flags ? ['[flags]'] : [])];
  for (const argument of spec.arguments ?? []) {
    const word = `<${argument.name}>${argument.many ? '…' : ''}`;
    words.push(argument.optional ? `[${word}]` : word);
  }
  if (spec.command) words.push(spec.command === 'optional' ? '[-- command…]' : '-- command…');
  return words.join(' ');
}

/** ["-e, --env <K=V>", "Set a variable"] */
export function flagRow([name, { short, placeholder, summary, many }]: [string, FlagSpec]): [string, string] {
  const value = placeholder === undefined ? '' : ` <${placeholder}>`;
  return [`${short ? `-${short}, ` : '    '}--${name}${value}`, many ? `${summary}; may be repeated` : summary];
}

function columns(rows: [string, string][]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return rows.flatMap(([left, right]) =>
    wrap(right, Math.max(30, WIDTH - width - 2)).map(
      (line, index) => `  ${(index === 0 ? left : '').padEnd(width)}${line}`,
    ),
  );
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
