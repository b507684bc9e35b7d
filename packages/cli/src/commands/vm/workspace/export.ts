import { writeFile } from 'node:fs/promises';
import { BangerError } from '@banger/contract/errors.ts';
import type { Cli } from '../../../cli.ts';
import type { Run } from '../../../load-command.ts';
import { count } from '../../../output/count.ts';
import { watchOperation } from '../../../watch-operation.ts';
import { whichWorkspace } from '../../../workspace-request.ts';

export const run: Run<'vm workspace export'> = async (cli, { arguments: { vm }, flags }) => {
  const { branch, patch, force } = flags;
  const which = whichWorkspace(cli, flags);
  if ((branch === undefined) === (patch === undefined)) {
    throw new BangerError('USAGE', {
      message: 'Either --branch or --patch says what becomes of the changes.',
      hint: `banger vm workspace export ${vm} --branch from-${vm}`,
    });
  }
  if (patch !== undefined) {
    await writePatch(cli, patch, force, () => cli.client.workspaceDiff({ vm, ...which, patch: true }));
    return 0;
  }
  const made = await watchOperation(cli, cli.client.workspaceExport({ vm, ...which, branch: branch as string, force }));
  if (cli.isJson) cli.printJson(made);
  else if (made.commit === null) cli.note(`Nothing was changed in "${vm}"; no branch was made.`);
  else
    cli.print(
      `${made.branch}  ${made.commit.slice(0, 12)}  ${count(made.commits, 'commit')}, ${count(made.files, 'file')} changed\n`,
    );
  return 0;
};

type OpenDiff = () => Promise<AsyncIterable<Buffer>>;

async function writePatch(cli: Cli, file: string, force: boolean, openDiff: OpenDiff): Promise<void> {
  if (file === '-') {
    for await (const bytes of await openDiff()) process.stdout.write(bytes);
    return;
  }
  const path = cli.absolutePath(file);
  const diff = await openDiff();
  try {
    await writeFile(path, diff, { flag: force ? 'w' : 'wx' });
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === undefined) throw cause;
    throw new BangerError('FILE_NOT_FOUND', {
      message: `${path} cannot be written (${code}).`,
      hint: code === 'EEXIST' ? 'Name another file, or overwrite it with --force.' : 'Name another file.',
      details: { path },
      cause,
    });
  }
  if (cli.isJson) cli.printJson({ patch: path });
  else cli.note(`Written to ${path}; "git apply" applies it.`);
}
