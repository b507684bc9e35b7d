import { formatSize } from '@banger/contract/sizes.ts';
import type { Run } from '../../../load-command.ts';
import { count } from '../../../output/count.ts';
import { watchNoting } from '../../../watch-operation.ts';
import { importRequest, showPlan } from '../../../workspace-request.ts';

export const run: Run<'vm workspace import'> = async (cli, { arguments: { vm, repo }, flags }) => {
  if (flags['dry-run']) {
    await showPlan(cli, repo || '.', flags);
    return 0;
  }
  const request = { ...importRequest(cli, repo || '.', flags), force: flags.force };
  const workspace = await watchNoting(cli, cli.client.workspaceImport({ vm, ...request }));
  if (cli.isJson) cli.printJson(workspace);
  else cli.print(`${vm}:${workspace.path}  ${count(workspace.files, 'file')}, ${formatSize(workspace.sizeBytes)}\n`);
  return 0;
};
