/** Man pages, made from the table of commands: banger(1), and one for each command, such as banger-vm-run(1). */
import { VERSION } from '@banger/contract/version.ts';
import { COMMANDS, COMMON_FLAGS, type CommandName, type FlagSpec, GROUPS, specOf } from './commands.ts';
import { commandsOf, flagRow, usageLine } from './help.ts';

/** By the names of their files */
export function renderManPages(): Map<string, string> {
  const names = Object.keys(COMMANDS) as CommandName[];
  return new Map([
    ['banger.1', renderOverview()],
    ...names.map((name): [string, string] => [`${pageOf(name)}.1`, renderCommand(name)]),
  ]);
}

function renderOverview(): string {
  const alone = (Object.keys(COMMANDS) as CommandName[]).filter((name) => !name.includes(' '));
  return page('banger', 'one-command development sandboxes on microVMs', [
    ...section('SYNOPSIS', ['.B banger', '.RI [ flags ]', '.I command', '.RI [ arguments ]']),
    ...section('DESCRIPTION', [
      text('Runs what you give it in a virtual machine of its own, on this host, without root.'),
    ]),
    ...Object.entries(GROUPS).flatMap(([group, summary]) =>
      section(`BANGER ${group}`.toUpperCase(), [text(`${summary}.`), ...commandsOf(group).flatMap(listed)]),
    ),
    ...section('MORE COMMANDS', alone.flatMap(listed)),
    ...section('FLAGS OF EVERY COMMAND', Object.entries(COMMON_FLAGS).flatMap(flagItem)),
    ...section('EXIT STATUS', [
      text(
        "0 when it worked; of a command in a guest its own code, or 128 + n when signal n ended it; 64 to 78 for banger's " +
          'own errors; 130 when it was interrupted; 141 when nobody read its output any more.',
      ),
    ]),
    ...section('FILES', [
      ...item('~/.config/banger/config.toml', 'Your settings; see "banger config show".'),
      ...item('~/.local/state/banger', "Records, and the daemon's log."),
      ...item('~/.local/share/banger', 'Images, kernels, and the disks of the machines.'),
    ]),
  ]);
}

function listed(name: CommandName): string[] {
  return item(`banger-${name.replaceAll(' ', '-')}(1)`, `${specOf(name).summary}.`);
}

function renderCommand(name: CommandName): string {
  const { summary, details, arguments: takes, flags, examples } = specOf(name);
  return page(pageOf(name), summary, [
    ...section('SYNOPSIS', [`.B ${roff(usageLine(name))}`]),
    ...section('DESCRIPTION', [text(`${summary}.`), ...(details ?? []).flatMap((words) => ['.PP', text(words)])]),
    ...section(
      'ARGUMENTS',
      (takes ?? []).flatMap((each) => item(`<${each.name}>`, each.summary)),
    ),
    ...section('FLAGS', Object.entries({ ...flags, ...COMMON_FLAGS }).flatMap(flagItem)),
    ...section(
      'EXAMPLES',
      examples.flatMap(({ does, line }) => item(line, does)),
    ),
    ...section('SEE ALSO', [text('banger(1)')]),
  ]);
}

function pageOf(name: CommandName): string {
  return `banger-${name.replaceAll(' ', '-')}`;
}

function page(name: string, summary: string, body: string[]): string {
  const head = `.TH ${name.toUpperCase()} 1 "" "banger ${VERSION}"`;
  return `${[head, '.nh', '.ad l', ...section('NAME', [`${roff(name)} \\- ${roff(summary)}`]), ...body].join('\n')}\n`;
}

/** Nothing where it has no lines. */
function section(title: string, lines: string[]): string[] {
  return lines.length === 0 ? [] : [`.SH "${title}"`, ...lines];
}

function flagItem(flag: [string, FlagSpec]): string[] {
  const [left, right] = flagRow(flag);
  return item(left.trim(), `${right}.`);
}

function item(term: string, meaning: string): string[] {
  return ['.TP', `.B ${roff(term)}`, text(meaning)];
}

/** A line that begins with a dot or a quote would be a request. */
function text(words: string): string {
  return `\\&${roff(words)}`;
}

/** What roff would take for its own; a hyphen that somebody types has to stay one. */
function roff(words: string): string {
  return words.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll("'", '\\(aq').replaceAll('"', '\\(dq');
}
