/** The command `banger`: the only reader of argv and of the environment. */
import { homedir } from 'node:os';
import { toBangerError } from '@banger/contract/errors.ts';
import { type BangerPaths, bangerPaths } from '@banger/contract/paths.ts';
import type { Cli } from './cli.ts';
import type { Input } from './commands.ts';
import { connectToDaemon } from './connect.ts';
import type { FlagNotes } from './help.ts';
import { loadCommand } from './load-command.ts';
import { describeTerminal, EXIT_BROKEN_PIPE } from './output/terminal.ts';
import { type AnyInput, parseArguments } from './parse-arguments.ts';

const argv = process.argv.slice(2);
process.stdout.on('error', endWhenNobodyReads);
process.stderr.on('error', endWhenNobodyReads);
process.on('uncaughtException', async (error) => process.exit(await report(error)));

// Exit, rather than wait for what is still open: a stdin that nobody ends, the socket of a lease.
process.exit(await main().catch(report));

async function main(): Promise<number> {
  const parsed = parseArguments(argv);
  if (parsed.is === 'help') {
    const { helpFor } = await import('./help.ts');
    const { hasDefaults } = await import('./help-defaults.ts');
    const notes = hasDefaults(parsed.words) ? await readDefaults() : {};
    process.stdout.write(helpFor(parsed.words, notes));
    return 0;
  }
  const run = await loadCommand(parsed.name);
  // The parser made the input from the same table that its type is made from.
  return (await run(createCli(parsed.input), parsed.input as Input<never>)) ?? 0;
}

/** Only where help shows them: it may take the start of another program. */
async function readDefaults(): Promise<FlagNotes> {
  const { readDefaultNotes } = await import('./help-defaults.ts');
  return readDefaultNotes(connectToDaemon({ paths: findPaths(), warn: () => {} }).runningClient);
}

function createCli({ flags }: AnyInput): Cli {
  const isJson = flags.json === true;
  const isQuiet = isJson || flags.quiet === true;
  const complain = (text: string) => void process.stderr.write(`${text}\n`);
  const note = isQuiet ? () => {} : complain;
  const paths = findPaths();
  return {
    ...connectToDaemon({ paths, warn: note }),
    paths,
    terminal: describeTerminal(process.env),
    env: process.env,
    cwd: process.cwd(),
    home: homedir(),
    isJson,
    isQuiet,
    print: (text) => void process.stdout.write(text),
    printJson: (value) => void process.stdout.write(`${JSON.stringify(value, null, 2)}\n`),
    note,
    complain,
  };
}

function findPaths(): BangerPaths {
  const uid = process.getuid?.() ?? 0;
  return bangerPaths({
    env: process.env,
    uid,
    home: homedir(),
    isOwnFolder: (path) => {
      // An import of node:fs would load its promises and their streams at every start.
      const { statSync } = process.getBuiltinModule('node:fs');
      const found = statSync(path, { throwIfNoEntry: false });
      return found?.isDirectory() === true && found.uid === uid;
    },
  });
}

/**
 * With --json the error is the document. It goes to stdout, except where stdout belongs to a guest's output.
 */
async function report(thrown: unknown): Promise<number> {
  const { reportError } = await import('./report-error.ts');
  const { text, exitCode } = reportError(thrown);
  if (!ownWords().includes('--json')) process.stderr.write(text);
  else if (isStdoutOfGuest(ownWords()))
    process.stderr.write(`${JSON.stringify({ error: toBangerError(thrown).toWire() })}\n`);
  else process.stdout.write(`${JSON.stringify({ error: toBangerError(thrown).toWire() }, null, 2)}\n`);
  return exitCode;
}

/** Read from argv itself, since the failure may be that argv is not understood. */
function ownWords(): string[] {
  const end = argv.indexOf('--');
  return end < 0 ? argv : argv.slice(0, end);
}

function isStdoutOfGuest(words: string[]): boolean {
  const name = words.slice(0, 2).join(' ');
  if (name === 'vm run' || name === 'vm exec') return !words.includes('-d') && !words.includes('--detach');
  if (name === 'vm ssh' || name === 'vm proxy') return true;
  if (name === 'vm cp') return words.includes('-');
  return name === 'vm attach' || name === 'vm logs';
}

function endWhenNobodyReads(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE' || error.code === 'EIO') process.exit(EXIT_BROKEN_PIPE);
  throw error;
}
