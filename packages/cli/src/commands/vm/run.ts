/** Create and start a vm, run one command or a shell in it, give its exit code; with --rm leave nothing behind. */

import { join } from 'node:path/posix';
import type { Vm } from '@banger/contract/api/vms.ts';
import type { WorkspaceImportRequest, WorkspacePlan } from '@banger/contract/api/workspaces.ts';
import { cleanJson } from '@banger/contract/clean-text.ts';
import { BangerError } from '@banger/contract/errors.ts';
import type { ExecStart } from '@banger/contract/guest/messages.ts';
import type { Cli } from '../../cli.ts';
import type { Input } from '../../commands.ts';
import type { Devcontainer } from '../../devcontainer/devcontainer.ts';
import { chosenVariables, planExec } from '../../exec-request.ts';
import { followInVm } from '../../follow-in-vm.ts';
import { startDetached, terminalSize } from '../../guest-command.ts';
import { whileInterruptible } from '../../interrupts.ts';
import type { Run } from '../../load-command.ts';
import { remindOfRunning } from '../../remind-of-running.ts';
import { watchOperation } from '../../watch-operation.ts';
import { importRequest, planRequest, showPlan } from '../../workspace-request.ts';
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
  refuseDevcontainerFlags(flags);
  if (repo === null) refuseSourceFlags(flags);
  else if (flags['dry-run']) {
    await showPlan(cli, repo, flags, wantsDevcontainer(flags) ? (plan) => preview(cli, repo, flags, plan) : undefined);
    return 0;
  }
  const source = repo === null ? null : await readRepository(cli, repo, flags);
  const devcontainer = source?.devcontainer ?? null;
  const isFirst = devcontainer === null || devcontainer.runsImage;
  const plan = planExec({ command, isFirst, flags, terminal: cli.terminal, env: cli.env, size: terminalSize });

  const body = vmCreateBody(cli, { ...flags, image: devcontainer?.imageName ?? flags.image });
  const publish = devcontainer?.publishWith(body.publish ?? []);
  const creating = cli.client.vmCreate({ ...body, ...(publish && { publish }), start: true, ephemeral: flags.rm });
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
    const start = source === null ? plan : await settleIn(cli, vm, source, plan, flags.rm);
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

type Flags = Input<'vm run'>['flags'];
type Source = {
  request: WorkspaceImportRequest;
  /** Of the repository, the one that was named */
  subfolder: string;
  devcontainer: Devcontainer | null;
};

const SOURCE_FLAGS = [
  ...(['ref', 'include-untracked', 'skip-submodules', 'full', 'shallow', 'at', 'dry-run'] as const),
  ...(['devcontainer', 'devcontainer-file'] as const),
];

/** One that cannot go in is told before a machine is made for it. */
async function readRepository(cli: Cli, repo: string, flags: Flags): Promise<Source> {
  const request = importRequest(cli, repo, flags);
  const listFiles = wantsDevcontainer(flags);
  const workspace = await cli.client.workspacePlan({ ...planRequest(cli, repo, flags), listFiles, keep: true });
  const { subfolder, kept } = workspace;
  const source = { request: { ...request, ...(kept !== null && { kept }) }, subfolder };
  if (!listFiles) return { ...source, devcontainer: null };
  const { openDevcontainer } = await import('../../devcontainer/devcontainer.ts');
  const devcontainer = await openDevcontainer(cli, devcontainerParts(cli, repo, flags, workspace));
  const user = flags.user ?? devcontainer.user;
  const place = { at: devcontainer.at, ...(user !== null && { user }) };
  return { ...source, request: { ...source.request, ...place }, devcontainer };
}

async function preview(cli: Cli, repo: string, flags: Flags, workspace: WorkspacePlan) {
  const { previewDevcontainer } = await import('../../devcontainer/devcontainer.ts');
  return previewDevcontainer(devcontainerParts(cli, repo, flags, workspace));
}

function devcontainerParts(cli: Cli, repo: string, flags: Flags, workspace: WorkspacePlan) {
  const { at = null, env, pull, 'devcontainer-file': chosen } = flags;
  const place = { folder: cli.absolutePath(repo), workspace, chosen, at };
  return { ...place, handed: chosenVariables(env, cli.env), isAnew: pull === 'always' };
}

/** Either says that there is one. */
function wantsDevcontainer(flags: Flags): boolean {
  return flags.devcontainer || flags['devcontainer-file'] !== undefined;
}

function refuseDevcontainerFlags(flags: Flags): void {
  const other = flags.image !== undefined ? 'image' : flags.ref !== undefined ? 'ref' : null;
  if (!wantsDevcontainer(flags) || other === null) return;
  throw new BangerError('USAGE', {
    message: `--devcontainer and --${other} exclude each other.`,
    hint:
      other === 'ref'
        ? 'What is checked out says how the machine is made: check that commit out, as in a worktree.'
        : 'The repository names its image; leave one of them out.',
  });
}

/** Flags that say what of a repository travels mean nothing without one. */
function refuseSourceFlags(flags: Flags): void {
  const [given] = SOURCE_FLAGS.filter((name) => flags[name]);
  if (given === undefined) return;
  throw new BangerError('USAGE', {
    message: `--${given} needs a repository.`,
    hint: `Name one: banger vm run --${given} … . -- make test`,
  });
}

/** Brings the repository in and does what it asks for; gives the command as it starts then. A vm that stays is told of also when that fails. */
async function settleIn(
  cli: Cli,
  vm: Vm,
  { request, subfolder, devcontainer }: Source,
  plan: ExecStart,
  isRemoved: boolean,
): Promise<ExecStart> {
  try {
    const bringing = cli.client.workspaceImport({ vm: vm.name, ...request });
    const { path } = await watchOperation(cli, bringing, { isBrief: true });
    const named = join(path, subfolder);
    if (devcontainer === null) return { ...plan, cwd: plan.cwd ?? named };
    const user = plan.user ?? devcontainer.user;
    const { prepareMachine } = await import('../../devcontainer/prepare-machine.ts');
    const env = await whileInterruptible((signal) =>
      prepareMachine(cli, { vm: vm.name, user, isRemoved, signal }, devcontainer),
    );
    const folder = subfolder === '' || subfolder === devcontainer.below ? devcontainer.folder : named;
    return { ...plan, user, cwd: plan.cwd ?? folder, env: { ...env, ...plan.env } };
  } catch (fault) {
    if (!isRemoved) await remindOfRunning(cli, vm.name);
    throw fault;
  }
}

async function leaveRunning(cli: Cli, vm: Vm, { command }: Input<'vm run'>, start: ExecStart): Promise<number> {
  const runsNothing = command === null && (start.image !== 'command' || !vm.image.hasCommand);
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
