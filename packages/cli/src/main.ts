/** The command `banger`: the only reader of argv. */
import { BangerError } from '@banger/contract/errors.ts';
import type { Input } from './commands.ts';
import { createCli } from './create-cli.ts';
import { exactArgv } from './exact-argv.ts';
import { loadCommand } from './load-command.ts';
import { complain, print, settleOutput, stdout, watchOutput } from './output/standard-streams.ts';
import { parseArguments, readReportStyle } from './parse-arguments.ts';

const argv = exactArgv();
let reporting: Promise<number> | null = null;
watchOutput({ end: process.exit, fail });
process.on('uncaughtException', fail);

// Exit, rather than wait for what is still open: a stdin that nobody ends, the socket of a lease.
process.exit(await main().then(settleOutput).catch(reportOnce));

async function main(): Promise<number> {
  const parsed = parseArguments(argv);
  if (parsed.is === 'help') {
    const { helpFor } = await import('./help.ts');
    const { hasDefaults, readDefaultNotes } = await import('./help-defaults.ts');
    // Only where help shows them: it may take the start of another program.
    const { runningClient } = createCli({ quiet: true });
    const notes = hasDefaults(parsed.words) ? await readDefaultNotes(runningClient) : {};
    print(helpFor(parsed.words, notes));
    return 0;
  }
  if (parsed.name !== 'vm cp') expectUtf8(argv);
  const run = await loadCommand(parsed.name);
  // The parser made the input from the same table that its type is made from.
  return (await run(createCli(parsed.input.flags), parsed.input as Input<never>)) ?? 0;
}

/** Other bytes would stand for those of the word, and nobody would be told. Only "vm cp" takes them as they are. */
function expectUtf8(words: string[]): void {
  const odd = words.find((word) => !word.isWellFormed());
  if (odd === undefined) return;
  throw new BangerError('USAGE', {
    message: `"${odd.toWellFormed()}" is not UTF-8, and only "banger vm cp" takes such names.`,
    hint: 'Write the command to a script, copy that with "banger vm cp", and run the script.',
  });
}

async function fail(thrown: unknown): Promise<void> {
  process.exit(await reportOnce(thrown));
}

/** The first failure is the one that is told. */
function reportOnce(thrown: unknown): Promise<number> {
  reporting ??= report(thrown);
  return reporting;
}

/** With --json the error is the document. It goes to stdout, unless that has what somebody else says, or takes nothing. */
async function report(thrown: unknown): Promise<number> {
  const { reportError, errorDocument } = await import('./report-error.ts');
  const { text, code, exitCode } = reportError(thrown);
  const { isJson, isStdoutForeign } = readReportStyle(argv);
  if (!isJson || code === 'OUTPUT_LOST') complain(text);
  else if (isStdoutForeign || !(await canWrite(`${errorDocument(thrown, 2)}\n`))) {
    complain(`${errorDocument(thrown, 0)}\n`);
  }
  return exitCode;
}

function canWrite(text: string): Promise<boolean> {
  return new Promise((resolve) => stdout().write(text, (fault) => resolve(!fault)));
}
