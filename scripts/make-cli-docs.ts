/** Writes docs/cli.md from the table of commands; `--check` only says whether it is up to date. */
import { readFileSync, writeFileSync } from 'node:fs';
import {
  type ArgumentSpec,
  COMMANDS,
  COMMON_FLAGS,
  type CommandName,
  type FlagSpec,
  GROUPS,
  specOf,
} from '@banger/cli/commands.ts';
import { commandsOf, flagRow, usageLine } from '@banger/cli/help.ts';

const FILE = new URL('../docs/cli.md', import.meta.url);

const EVERYWHERE = `A vm is named by its name or its id. Unknown commands and flags are refused, with a suggestion. A command for the guest
comes after \`--\`. Sizes carry a unit (\`512M\`, \`2G\`, \`1.5T\`, binary), durations may (\`500ms\`, \`30s\`, \`2m\`; a bare number
is seconds).

**Output.** Results go to stdout; progress, notes and errors go to stderr. On a terminal progress is a live view (honouring
\`NO_COLOR\` and \`TERM=dumb\`), elsewhere a plain line for each step; \`--quiet\` leaves it out. Text that a guest chose is
shown without control characters.

**\`--json\`** prints exactly one JSON document on stdout, the result or \`{"error": {"code", "message", "hint", "details"}}\`,
and no progress. Where stdout belongs to a guest's output (\`vm run\`, \`vm exec\`, \`vm attach\`, \`vm logs\`, \`vm cp … -\`) the
document is the last line of stderr: \`{"vm": "web", "exit": {"code": 0}}\`. A command with several vms, images or kernels
prints \`{"results": [{"name", "result"} or {"name", "error"}]}\`.

**Exit codes.** 0 when it worked; the guest command's own code from \`vm run\`, \`vm exec\` and \`vm attach\`, or 128 + n when
signal n ended it; 64 to 78 for banger's own errors, by their codes in [errors.md](errors.md); 126 and 127 when the guest
cannot run or does not have the command; 130 when Ctrl-C cancelled the work; 141 when the reader of stdout went away.

**Ctrl-C** during an operation cancels it and waits until it is undone (a stop or a removal that has begun is
finished); a second one leaves at once. While a command runs
in a guest, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 go to the command; three Ctrl-C within two seconds leave
it. On a terminal of the guest every key goes there.`;

const wanted = renderDocs();
if (!process.argv.includes('--check')) {
  writeFileSync(FILE, wanted);
} else if (readFileOrNothing() !== wanted) {
  console.error('docs/cli.md is not what the table of commands says; run: node scripts/make-cli-docs.ts');
  process.exitCode = 1;
}

function renderDocs(): string {
  const alone = (Object.keys(COMMANDS) as CommandName[]).filter((name) => !name.includes(' '));
  const parts = [
    '# The command `banger`',
    'Made from `packages/cli/src/commands.ts` by `scripts/make-cli-docs.ts`; change it there.',
    '## Everywhere',
    list(Object.entries(COMMON_FLAGS).map(flagItem)),
    EVERYWHERE,
  ];
  for (const [group, summary] of Object.entries(GROUPS)) {
    parts.push(`## banger ${group}`, `${summary}.`, ...commandsOf(group).flatMap(renderCommand));
  }
  parts.push('## More', ...alone.flatMap(renderCommand));
  return `${parts.join('\n\n')}\n`;
}

function renderCommand(name: CommandName): string[] {
  const { summary, details, arguments: takes, flags, examples } = specOf(name);
  const parts = [`### banger ${name}`, `${summary}.`, fence([usageLine(name)])];
  for (const paragraph of details ?? []) parts.push(markdown(paragraph));
  const items = [...(takes ?? []).map(argumentItem), ...Object.entries(flags ?? {}).map(flagItem)];
  if (items.length > 0) parts.push(list(items));
  const width = Math.max(...examples.map(({ line }) => line.length));
  return [...parts, fence(examples.map(({ does, line }) => `${line.padEnd(width)}  # ${does}`))];
}

function argumentItem({ name, summary }: ArgumentSpec): string {
  return `\`<${name}>\`: ${markdown(summary)}`;
}

function flagItem(flag: [string, FlagSpec]): string {
  const [left, right] = flagRow(flag);
  return `\`${left.trim()}\`: ${markdown(right)}`;
}

function list(items: string[]): string {
  return items.map((item) => `- ${item}`).join('\n');
}

function fence(lines: string[]): string {
  return ['```', ...lines, '```'].join('\n');
}

/** Angle brackets would be taken for HTML. */
function markdown(text: string): string {
  return text.replace(/<[^>]+>[^\s,]*/g, (placeholder) => `\`${placeholder}\``);
}

function readFileOrNothing(): string {
  try {
    return readFileSync(FILE, 'utf8');
  } catch {
    return ''; // not made yet: out of date
  }
}
