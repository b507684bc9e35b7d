/** Create and start a vm, run one command or a shell in it, give its exit code; with --rm leave nothing behind. */

import { join } from 'node:path/posix';
import type { Vm } from '@banger/contract/api/vms.ts';
import type { Workspace, WorkspaceImportRequest } from '@banger/contract/api/workspaces.ts';
import { cleanJson } from '@banger/contract/clean-text.ts';
import { BangerError } from '@banger/contract/errors.ts';
import type { Cli } from '../../cli.ts';
import type { Input } from '../../commands.ts';
import { planExec } from '../../exec-request.ts';
import { followInVm } from '../../follow-in-vm.ts';
import { startDetached, terminalSize } from '../../guest-command.ts';
import type { Run } from '../../load-command.ts';
import { remindOfRunning } from '../../remind-of-running.ts';
import { watchOperation } from '../../watch-operation.ts';
import { importRequest, planRequest, type SourceFlags, showPlan } from '../../workspace-request.ts';
import { vmCreateBody } from './create.ts';

export const run: Run<'vm run'> = async (cli, input) => {
  const { flags, command } = input;
  if (flags.rm && flags.detach) {
    throw new BangerError('USAGE', {
      message: '--rm and --detach exclude each other: the vm would be removed as soon as banger ends.',
      hint: 'Leave one of them out.',
    });
  }
  if (flags.rm && flags.autostart) {
    throw new BangerError('USAGE', {
      message: '--rm and --autostart exclude each other: at the next boot the vm would be gone.',
      hint: 'Leave one of them out.',
    });
  }
  const repo = input.arguments.repo || null;
  if (repo === null) refuseSourceFlags(flags);
  else if (flags['dry-run']) {
    await showPlan(cli, repo, flags);
    return 0;
  }
  const { request, subfolder } =
    repo === null ? { request: null, subfolder: '' } : await readRepository(cli, repo, flags);
  const plan = planExec({ command, isFirst: true, flags, terminal: cli.terminal, env: cli.env, size: terminalSize });

  const creating = cli.client.vmCreate({ ...vmCreateBody(cli, flags), start: true, ephemeral: flags.rm });
  let name: string | null = null;
  try {
    const vm = await watchOperation(cli, creating, {
      isBrief: true,
      onEvent: (event) => {
        if (event.is === 'begun') name = event.operation.subject;
        // Prepared while the machine boots, so that nothing is left to do when it is ready
        if (event.is === 'done') name = event.result ? (event.result as Vm).name : name;
      },
    });
    const workspace = request && (await bringIn(cli, vm, request, flags.rm));
    const start = workspace === null ? plan : { ...plan, cwd: plan.cwd ?? join(workspace.path, subfolder) };
    if (flags.detach) return await leaveRunning(cli, vm, input, start);

    const outcome = await followInVm(cli, vm.name, {
      begin: (to) => to.start(start),
      hasTty: start.tty !== null,
      hasStdin: start.stdin,
    });
    if (!flags.rm) await remindOfRunning(cli, vm.name);
    if (cli.isJson) cli.complain(cleanJson({ vm: vm.name, exit: outcome.exit }));
    return outcome.exitCode;
  } finally {
    if (flags.rm && name !== null) await removeQuietly(cli, name);
    creating.close();
  }
};

const SOURCE_FLAGS = ['ref', 'include-untracked', 'skip-submodules', 'full', 'shallow', 'at', 'dry-run'] as const;

/** One that cannot go in is told before a machine is made for it. */
async function readRepository(cli: Cli, repo: string, flags: Input<'vm run'>['flags']) {
  const request = importRequest(cli, repo, flags);
  const { subfolder, kept } = await cli.client.workspacePlan({ ...planRequest(cli, repo, flags), keep: true });
  return { request: { ...request, ...(kept !== null && { kept }) }, subfolder };
}

/** Flags that say what of a repository travels mean nothing without one. */
function refuseSourceFlags(flags: SourceFlags): void {
  const [given] = SOURCE_FLAGS.filter((name) => flags[name]);
  if (given === undefined) return;
  throw new BangerError('USAGE', {
    message: `--${given} needs a repository.`,
    hint: `Name one: banger vm run --${given} … . -- make test`,
  });
}

/** A vm that stays is told of also when the repository could not go in. */
async function bringIn(cli: Cli, vm: Vm, request: WorkspaceImportRequest, isRemoved: boolean): Promise<Workspace> {
  try {
    return await watchOperation(cli, cli.client.workspaceImport({ vm: vm.name, ...request }), { isBrief: true });
  } catch (fault) {
    if (!isRemoved) await remindOfRunning(cli, vm.name);
    throw fault;
  }
}

async function leaveRunning(
  cli: Cli,
  vm: Vm,
  { command }: Input<'vm run'>,
  start: ReturnType<typeof planExec>,
): Promise<number> {
  const runsNothing = command === null && !vm.image.hasCommand;
  const session = runsNothing ? null : await startDetached(await cli.client.vmExec({ vm: vm.name }), start);
  if (cli.isJson) cli.printJson({ vm, session: session?.id ?? null });
  else cli.print(session === null ? `${vm.name}\n` : `${vm.name} ${session.id}\n`);
  return 0;
}

/** Also after a failure or Ctrl-C. What this cannot do, the daemon does when the lease closes. */
async function removeQuietly(cli: Cli, vm: string): Promise<void> {
  await cli.client
    .vmRemove({ vm, force: true })
    .result()
    .catch(() => {}); // it is gone already, or the daemon is; then it removes what is ephemeral at its next start
}
