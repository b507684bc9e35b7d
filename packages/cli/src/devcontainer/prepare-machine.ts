/** What a devcontainer.json asks for inside of the machine, once the repository is in it: variables, then its commands. */
import { cleanQuote } from '@banger/contract/clean-text.ts';
import { BangerError } from '@banger/contract/errors.ts';
import type { ExecExit } from '@banger/contract/guest/command-messages.ts';
import { createLineCleaner } from '@banger/contract/line-cleaner.ts';
import type { Cli } from '../cli.ts';
import { runInVm } from '../run-in-vm.ts';
import type { Run } from './fields.ts';
import type { DevcontainerPlan, DevcontainerVariable } from './plan-devcontainer.ts';
import { asksGuest, fillFromGuest } from './variables.ts';

/** As much as the agent reads of /etc/environment, less what is there already */
const MAX_KEPT_BYTES = 32 * 1024;
const MAX_ENVIRONMENT_BYTES = 4 * 2 ** 20;
const MAX_LABEL = 40;
/** Shown with a failure where nothing was shown before */
const LAST_LINES = 20;

// Run in `/`. What comes first in the file may have no newline at its end.
const KEEP = `
set -eu
umask 022
mkdir -p etc
[ ! -s etc/environment ] || [ -z "$(tail -c 1 etc/environment)" ] || echo >>etc/environment
cat >>etc/environment
`;

type Machine = { vm: string; user: string | null; isRemoved: boolean; signal: AbortSignal };
type Variables = Record<string, string>;

type Wanted = Pick<DevcontainerPlan, 'variables' | 'stages' | 'folder'> & {
  /** Variables that the caller hands over, which go first */
  handed: Readonly<Variables>;
};

/** Gives the variables that commands in there have. Throws DEVCONTAINER_FAILED. */
export async function prepareMachine(
  cli: Cli,
  machine: Machine,
  { variables, stages, folder, handed }: Wanted,
): Promise<Variables> {
  const filled = await fillVariables(cli, machine, variables);
  const env = { ...Object.fromEntries(filled.map(({ name, value }) => [name, value])), ...handed };
  await keepVariables(cli, machine, filled);
  for (const { name, runs } of stages) await runStage(cli, machine, { name, runs, env, folder });
  return env;
}

async function fillVariables(
  cli: Cli,
  { vm, user, signal }: Machine,
  variables: DevcontainerVariable[],
): Promise<DevcontainerVariable[]> {
  if (!variables.some(({ value }) => asksGuest(value))) return variables;
  const chunks: Uint8Array[] = [];
  let left = MAX_ENVIRONMENT_BYTES;
  await runInVm(cli, {
    ...{ vm, signal },
    start: { argv: ['cat', '/proc/self/environ'], env: {}, cwd: '/', user, image: 'defaults' },
    onOutput: (bytes) => {
      left -= bytes.length;
      if (left >= 0) chunks.push(bytes);
    },
  });
  const lines = Buffer.concat(chunks).toString('utf8').split('\0');
  const guest = Object.fromEntries(
    lines.flatMap((line) => {
      const equals = line.indexOf('=');
      return equals > 0 ? [[line.slice(0, equals), line.slice(equals + 1)]] : [];
    }),
  );
  return variables.map((each) => ({ ...each, value: fillFromGuest(each.value, guest) }));
}

/** For whatever is run in there later, too. */
async function keepVariables(cli: Cli, { vm, signal }: Machine, variables: DevcontainerVariable[]): Promise<void> {
  const wanted = variables.filter(({ isKept }) => isKept);
  const kept = wanted.filter(({ name, value }) => /^\w+$/.test(name) && /^[^"'#\\\p{Cc}]*$/u.test(value));
  const lines = kept.map(({ name, value }) => `${name}="${value}"\n`).join('');
  const isTooLong = Buffer.byteLength(lines) > MAX_KEPT_BYTES;
  const lost = isTooLong ? wanted : wanted.filter((each) => !kept.includes(each));
  if (lost.length > 0) {
    const names = lost.slice(0, 10).map(({ name }) => cleanQuote(name, MAX_LABEL));
    cli.note(`Only this run has these variables, which /etc/environment cannot hold: ${names.join(', ')}.`);
  }
  if (lines === '' || isTooLong) return;
  const start = { argv: ['/bin/sh', '-c', KEEP], env: {}, cwd: '/', user: null };
  const exit = await runInVm(cli, { vm, signal, start, stdin: lines });
  if (!hasWorked(exit)) cli.note('Only this run has its variables: /etc/environment could not be written.');
}

type Stage = { name: string; runs: Run[]; env: Variables; folder: string };

/** All of them at once; one that fails does not end the others, and none of a later stage begins. */
async function runStage(cli: Cli, machine: Machine, { name, runs, env, folder }: Stage): Promise<void> {
  cli.note(`· ${name}`);
  const { vm, user, signal } = machine;
  const ended = await Promise.allSettled(
    runs.map(async ({ label, argv }) => {
      const last: string[] = [];
      const output = createLineCleaner((line) => {
        cli.note(label === null ? line : `${cleanQuote(label, MAX_LABEL)}: ${line}`);
        last.push(line);
        if (last.length > LAST_LINES) last.shift();
      });
      const start = { argv, env, cwd: folder, user, image: 'defaults' } as const;
      const exit = await runInVm(cli, { vm, signal, start, onOutput: output.add });
      output.end();
      const command = label === null ? name : `${name}.${cleanQuote(label, MAX_LABEL)}`;
      if (!hasWorked(exit)) throw failed(cli, machine, command, exit, last);
    }),
  );
  for (const each of ended) if (each.status === 'rejected') throw each.reason;
}

function hasWorked(exit: ExecExit): boolean {
  return 'code' in exit && exit.code === 0;
}

function failed(cli: Cli, { vm, isRemoved }: Machine, name: string, exit: ExecExit, last: string[]): BangerError {
  const how = 'code' in exit ? `exit code ${exit.code}` : `signal ${exit.signal}`;
  return new BangerError('DEVCONTAINER_FAILED', {
    message: `${name} of the devcontainer.json ended with ${how}.`,
    hint: isRemoved
      ? 'Without --rm the vm stays, and you can look around in it.'
      : `The vm stays: "banger vm exec ${vm}" looks around in it.`,
    details: { vm, command: name, ...(cli.isQuiet && { console: last }) },
  });
}
