/** Argv to a command and its input, as the table says. Everything that is not in the table is refused. */
import { BangerError } from '@banger/contract/errors.ts';
import { describeLimits } from '@banger/contract/limits.ts';
import { formatDuration, formatSize, parseDurationMs, parseSizeBytes } from '@banger/contract/sizes.ts';
import { nearest } from '@banger/contract/suggest.ts';
import {
  COMMANDS,
  COMMON_FLAGS,
  type CommandName,
  type CommandSpec,
  type FlagSpec,
  type FlagType,
  GROUPS,
  specOf,
} from './commands.ts';

/** Input as the table describes it; `Input<Name>` is its type for one command. */
export type AnyInput = {
  arguments: Record<string, string | string[]>;
  flags: Record<string, unknown>;
  command: string[] | null;
};

export type Parsed =
  | { is: 'command'; name: CommandName; input: AnyInput }
  /** Help was asked for; `words` are a group, a command, or nothing */
  | { is: 'help'; words: string[] };

type Token = ReturnType<typeof tokensOf>[number];

export function parseArguments(argv: readonly string[]): Parsed {
  const { words, command } = splitWords(argv);
  const names = words.filter(isName);
  const versionFlag = names.length === 0 ? words.findIndex((word) => word === '--version' || word === '-V') : -1;
  if (versionFlag >= 0) return parseArguments(['version', ...words.toSpliced(versionFlag, 1)]);

  const { name, rest } = findCommand(words, names);
  if (name === null || name === 'help') {
    const tokens = tokensOf(rest, COMMON_FLAGS);
    readFlags(name ?? names.join(' '), COMMON_FLAGS, tokens);
    return { is: 'help', words: name === null ? names : rest.filter(isName) };
  }

  const spec = specOf(name);
  const allFlags: Record<string, FlagSpec> = { ...COMMON_FLAGS, ...spec.flags };
  const tokens = tokensOf(rest, allFlags);
  if (tokens.some((token) => token.kind === 'option' && token.name === 'help'))
    return { is: 'help', words: name.split(' ') };

  const flags = readFlags(name, allFlags, tokens);
  const values = tokens.flatMap((token) => (token.kind === 'positional' ? [token.value] : []));
  return {
    is: 'command',
    name,
    input: { flags, arguments: readPositionals(name, spec, values), command: checkCommand(name, spec, command) },
  };
}

/** How a failure is to be told, read from argv itself: that it is not understood may be the failure. */
export function readReportStyle(argv: readonly string[]): { isJson: boolean; isStdoutForeign: boolean } {
  const { words } = splitWords(argv);
  return { isJson: words.includes('--json'), isStdoutForeign: isStdoutForeign(words) };
}

function isStdoutForeign(words: readonly string[]): boolean {
  const names = words.filter(isName);
  const count = [3, 2, 1].find((length) => Object.hasOwn(COMMANDS, names.slice(0, length).join(' ')));
  if (count === undefined) return false;
  const { foreignStdout, flags = {} } = specOf(names.slice(0, count).join(' ') as CommandName);
  if (foreignStdout === 'with -') return words.includes('-');
  if (foreignStdout !== 'unless --detach') return foreignStdout === 'always';
  return !tokensOf(words, flags).some((token) => token.kind === 'option' && token.name === 'detach');
}

/** What is ours, and what comes after `--` */
function splitWords(argv: readonly string[]): { words: readonly string[]; command: string[] | null } {
  const end = argv.indexOf('--');
  return end < 0 ? { words: argv, command: null } : { words: argv.slice(0, end), command: argv.slice(end + 1) };
}

/**
 * Flags may stand before the words of the command: they go to `rest`, with all that is not the command's name. `name`
 * null: nothing, or only what several commands begin with, was given.
 */
function findCommand(
  words: readonly string[],
  names: readonly string[],
): { name: CommandName | null; rest: readonly string[] } {
  const [first, second, third] = names;
  const found = (name: CommandName | null) => ({ name, rest: withoutNames(words, name?.split(' ').length ?? 3) });
  if (first === undefined) return found(null);
  if (Object.hasOwn(COMMANDS, first)) return found(first as CommandName);
  if (!Object.hasOwn(GROUPS, first)) throw usage(`There is no command "${first}".`, suggestCommand(first, second));
  if (second === undefined) return found(null);
  const both = `${first} ${second}`;
  const all = `${both} ${third}`;
  if (Object.hasOwn(COMMANDS, all)) return found(all as CommandName);
  if (isFamily(both)) {
    if (third === undefined) return found(null);
    throw usage(`There is no command "${all}".`, suggestCommand(all));
  }
  if (Object.hasOwn(COMMANDS, both)) return found(both as CommandName);
  throw usage(`There is no command "${both}".`, suggestCommand(both));
}

function withoutNames(words: readonly string[], count: number): string[] {
  let left = count;
  return words.filter((word) => {
    if (left === 0 || !isName(word)) return true;
    left -= 1;
    return false;
  });
}

/** A flag, or a lone hyphen, is none */
function isName(word: string): boolean {
  return !word.startsWith('-');
}

/** "vm workspace": words that commands of three words begin with */
function isFamily(words: string): boolean {
  return Object.keys(COMMANDS).some((name) => name.startsWith(`${words} `));
}

/** The nearest command, by its own name or by the words that people try for it. */
function suggestCommand(typed: string, next?: string): string {
  const meant = new Map<string, string>();
  for (const group of Object.keys(GROUPS)) meant.set(group, group);
  for (const [name, spec] of Object.entries<CommandSpec>(COMMANDS)) {
    for (const word of [...(spec.alsoTried ?? []), name]) meant.set(word, name);
  }
  const found = nearest(typed, meant.keys());
  if (found === null) return 'See "banger help".';
  const name = meant.get(found) as string;
  const isGroup = Object.hasOwn(GROUPS, name);
  const whole = isGroup && next !== undefined && Object.hasOwn(COMMANDS, `${name} ${next}`) ? `${name} ${next}` : name;
  return `Did you mean "banger ${whole}"?`;
}

function tokensOf(words: readonly string[], flags: Record<string, FlagSpec>) {
  // An import of node:util would load all that it has to offer, workers among it, at every start.
  const { parseArgs } = process.getBuiltinModule('node:util');
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, { type, short }]) => [
      name,
      { type: type === 'switch' ? ('boolean' as const) : ('string' as const), ...(short !== undefined && { short }) },
    ]),
  );
  return parseArgs({ args: [...words], options, strict: false, allowPositionals: true, tokens: true }).tokens;
}

function readFlags(command: string, specs: Record<string, FlagSpec>, tokens: Token[]): Record<string, unknown> {
  const flags: Record<string, unknown> = {};
  for (const [name, { type, many }] of Object.entries(specs))
    flags[name] = many ? [] : type === 'switch' ? false : undefined;

  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const spec = Object.hasOwn(specs, token.name) ? specs[token.name] : undefined;
    if (spec === undefined) throw unknownFlag(command, token.rawName, specs);
    const value = readFlagValue(token.rawName, spec, token.value);
    if (spec.many) (flags[token.name] as unknown[]).push(value);
    else if (spec.type !== 'switch' && flags[token.name] !== undefined) throw usage(`${token.rawName} is given twice.`);
    else flags[token.name] = value;
  }
  return flags;
}

function readFlagValue(rawName: string, spec: FlagSpec, text: string | undefined): unknown {
  const { type, placeholder } = spec;
  if (type === 'switch') {
    if (text === undefined) return true;
    throw usage(`${rawName} takes no value, but "${text}" was given.`);
  }
  if (text === undefined || text === '') throw usage(`${rawName} needs a value: ${rawName} <${placeholder}>.`);
  return readFlagText(rawName, type, text, spec);
}

type ValueType = Exclude<FlagType, 'switch'>;

function readFlagText(rawName: string, type: ValueType, text: string, spec: FlagSpec): unknown {
  switch (type) {
    case 'text':
      checkValue(rawName, text, spec);
      return text;
    case 'size':
      return checkLimits(rawName, text, readSize(rawName, text), spec);
    case 'duration':
      return checkLimits(rawName, text, parseDurationMs(text), spec);
    case 'count':
      return checkLimits(rawName, text, readWhole(rawName, text, 1), spec);
    case 'lines':
      return checkLimits(rawName, text, readWhole(rawName, text, 0), spec);
  }
}

type Closed = Pick<FlagSpec, 'values' | 'hiddenValues'>;

function checkValue(where: string, text: string, { values, hiddenValues }: Closed): void {
  if (values === undefined || values.includes(text) || hiddenValues?.includes(text)) return;
  const found = nearest(text, values);
  const hint = found === null ? `Write one of ${values.join(', ')}.` : `Did you mean ${found}?`;
  throw usage(`${where} cannot be "${text}".`, hint);
}

function checkLimits(rawName: string, text: string, value: number, { type, limits }: FlagSpec): number {
  if (limits === undefined || (value >= limits.min && value <= limits.max)) return value;
  const format = type === 'size' ? formatSize : type === 'duration' ? formatDuration : String;
  throw new BangerError('BAD_SIZE', {
    message: `${rawName} ${text} is too ${value < limits.min ? 'small' : 'large'}.`,
    hint: `Write a value ${describeLimits(limits, format)}.`,
    details: { text, ...limits },
  });
}

/** A bare number could be bytes, as in the API, or MiB, as in other programs: the reader should not have to know. */
function readSize(rawName: string, text: string): number {
  if (!/^\s*[\d.]+\s*$/.test(text)) return parseSizeBytes(text);
  throw new BangerError('BAD_SIZE', {
    message: `${rawName} ${text} does not say in which unit.`,
    hint: `Write ${rawName} ${text}M or ${rawName} ${text}G.`,
    details: { text },
  });
}

function readWhole(rawName: string, text: string, least: number): number {
  const value = Number(text);
  if (/^\d{1,9}$/.test(text) && value >= least) return value;
  throw new BangerError('BAD_SIZE', {
    message: `${rawName} ${text} is not a whole number from ${least} to 999999999.`,
    hint: `Write digits only, such as ${rawName} 4.`,
    details: { text },
  });
}

function readPositionals(name: CommandName, spec: CommandSpec, values: string[]): Record<string, string | string[]> {
  const found: Record<string, string | string[]> = {};
  const left = [...values];
  for (const argument of spec.arguments ?? []) {
    if (left.length === 0 && !argument.optional) {
      throw usage(`"banger ${name}" needs <${argument.name}>: ${lowerFirst(argument.summary)}.`, usageHint(name));
    }
    if (left.includes('')) throw usage(`<${argument.name}> is empty.`, usageHint(name));
    if (left[0] !== undefined) checkValue(`<${argument.name}>`, left[0], argument);
    found[argument.name] = argument.many ? left.splice(0) : (left.shift() ?? '');
  }
  if (left.length > 0) {
    const hint = spec.command
      ? `A command for the guest comes after "--": banger ${name} … -- ${left.join(' ')}`
      : usageHint(name);
    throw usage(`"banger ${name}" does not take "${left[0]}".`, hint);
  }
  return found;
}

function checkCommand(name: CommandName, spec: CommandSpec, command: string[] | null): string[] | null {
  if (command === null) return null;
  if (spec.command === undefined) throw usage(`"banger ${name}" takes no command after "--".`, usageHint(name));
  if (command.length === 0) throw usage('There is no command after "--".', usageHint(name));
  return command;
}

function unknownFlag(command: string, rawName: string, specs: Record<string, FlagSpec>): BangerError {
  const found = rawName.startsWith('--') ? nearest(rawName.slice(2), Object.keys(specs)) : null;
  return usage(
    `"${['banger', command].filter(Boolean).join(' ')}" has no flag ${rawName}.`,
    found === null ? usageHint(command) : `Did you mean --${found}?`,
  );
}

function usageHint(command: string): string {
  return command === '' ? 'See "banger help".' : `See "banger ${command} --help".`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function usage(message: string, hint?: string): BangerError {
  return new BangerError('USAGE', { message, ...(hint !== undefined && { hint }) });
}
