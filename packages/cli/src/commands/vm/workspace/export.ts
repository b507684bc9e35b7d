import { cleanJson } from '@banger/contract/clean-text.ts';
import { BangerError } from '@banger/contract/errors.ts';
import type { Cli } from '../../../cli.ts';
import { untilInterrupted } from '../../../interrupts.ts';
import type { Run } from '../../../load-command.ts';
import { count } from '../../../output/count.ts';
import { watchNoting } from '../../../watch-operation.ts';
import { noteAll, whichWorkspace } from '../../../workspace-request.ts';
import { findPlace, writeWhole } from '../../../write-whole.ts';
import { printDiff } from './diff.ts';

export const run: Run<'vm workspace export'> = async (cli, { arguments: { vm }, flags }) => {
  const { branch, patch, force } = flags;
  const which = { vm, ...whichWorkspace(cli, flags) };
  if ((branch === undefined) === (patch === undefined)) {
    throw new BangerError('USAGE', {
      message: 'Give either --branch or --patch, which says where the changes go.',
      hint: `banger vm workspace export ${vm} --branch from-${vm}`,
    });
  }
  if (patch === '-') await printPatch(cli, which);
  else if (patch !== undefined) await writePatch(cli, which, patch, force);
  else await makeBranch(cli, { ...which, branch: branch as string, force });
  return 0;
};

type Which = { vm: string; at?: string; repo?: string };

async function makeBranch(cli: Cli, request: Which & { branch: string; force: boolean }): Promise<void> {
  const made = await watchNoting(cli, cli.client.workspaceExport(request));
  if (cli.isJson) cli.printJson(made);
  else if (made.commit === null) cli.note(`Nothing was changed in "${request.vm}"; no branch was made.`);
  else
    cli.print(
      `${made.branch}  ${made.commit.slice(0, 12)}  ${count(made.commits, 'commit')}, ${count(made.files, 'file')} changed\n`,
    );
}

/** stdout is the patch's. */
async function printPatch(cli: Cli, which: Which): Promise<void> {
  const diff = await cli.client.workspaceDiff({ ...which, patch: true });
  noteAll(cli, diff.notes);
  await printDiff(cli, diff);
  if (cli.isJson) cli.complain(cleanJson({ patch: '-', notes: diff.notes }));
}

async function writePatch(cli: Cli, which: Which, file: string, mayReplace: boolean): Promise<void> {
  const place = await findPlace(cli.absolutePath(file), mayReplace);
  const signal = untilInterrupted();
  const diff = await cli.client.workspaceDiff({ ...which, patch: true }, { signal });
  await writeWhole(place, diff, { signal });
  noteAll(cli, diff.notes);
  if (cli.isJson) cli.printJson({ patch: place.path, notes: diff.notes });
  else cli.note(`Written to ${place.path}; "git apply" applies it.`);
}
