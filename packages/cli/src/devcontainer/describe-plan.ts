/** What a repository asks for, in words: for who looks before a machine is made. All of it was chosen by who wrote it. */
import { cleanQuote } from '@banger/contract/clean-text.ts';
import { formatAddress } from '@banger/contract/forward.ts';
import type { DevcontainerPlan } from './plan-devcontainer.ts';

const MAX_TEXT = 200;
/** Of each kind: more than that nobody reads */
const MAX_SHOWN = 20;

export function describePlan(plan: DevcontainerPlan, path: string, imageName: string | null): string[] {
  const { image, user, at, folder, variables, ports, stages, notes } = plan;
  const from = image.is === 'built' ? `, built from ${image.dockerfile} with ${image.context}` : '';
  const named = variables.map(({ name, value, isKept }) => (isKept ? `${name}=${value}` : `${name}, handed over`));
  const open = ports.map(({ host, hostPort, guestPort }) => `${formatAddress(host, hostPort)} is port ${guestPort}`);
  return [
    `devcontainer: ${path}`,
    `image: ${imageName ?? 'the default one'}${from}`,
    ...(user === null ? [] : [`user: ${user}`]),
    `folder: ${folder}${folder === at ? '' : `, with the repository in ${at}`}`,
    ...named.slice(0, MAX_SHOWN).map((each) => `variable: ${each}`),
    ...open.slice(0, MAX_SHOWN).map((each) => `published: ${each}`),
    ...stages.flatMap(({ name, runs }) => runs.slice(0, MAX_SHOWN).map(({ argv }) => `${name}: ${lineOf(argv)}`)),
    ...notes.slice(0, MAX_SHOWN),
  ].map((line) => cleanQuote(line, MAX_TEXT));
}

/** A line for the shell as it was written, else the words. */
function lineOf(argv: string[]): string {
  const [shell, flag, line] = argv;
  return argv.length === 3 && shell === '/bin/sh' && flag === '-c' ? (line ?? '') : JSON.stringify(argv);
}
