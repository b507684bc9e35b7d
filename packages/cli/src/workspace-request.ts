/** Flags of a workspace to requests, and what would travel as text. */
import type { WorkspaceImportRequest, WorkspacePlan, WorkspacePlanRequest } from '@banger/contract/api/workspaces.ts';
import { cleanLine } from '@banger/contract/clean-text.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import type { Cli } from './cli.ts';
import { hostPath } from './host-path.ts';
import { count } from './output/count.ts';

export type SourceFlags = {
  ref: string | undefined;
  'include-untracked': boolean;
  'skip-submodules': boolean;
  full: boolean;
  shallow: boolean;
  at: string | undefined;
  'dry-run': boolean;
};

export function planRequest(cli: Cli, repo: string, flags: SourceFlags): WorkspacePlanRequest {
  return {
    repo: repoPath(cli, repo),
    includeUntracked: flags['include-untracked'],
    skipSubmodules: flags['skip-submodules'],
    ...(flags.ref !== undefined && { ref: flags.ref }),
  };
}

export function importRequest(
  cli: Cli,
  repo: string,
  flags: SourceFlags & { user: string | undefined },
): WorkspaceImportRequest {
  if (flags.full && flags.shallow) {
    throw new BangerError('USAGE', {
      message: '--full and --shallow exclude each other.',
      hint: 'Leave one of them out.',
    });
  }
  return {
    ...planRequest(cli, repo, flags),
    history: flags.full ? 'full' : 'shallow',
    ...(flags.at !== undefined && { at: flags.at }),
    ...(flags.user !== undefined && { user: flags.user }),
  };
}

/** Of a diff or an export. */
export function whichWorkspace(cli: Cli, { at, repo }: { at: string | undefined; repo: string | undefined }) {
  return { ...(at !== undefined && { at }), ...(repo !== undefined && { repo: hostPath(cli, repo) }) };
}

/** Somebody who leaves "--" out names a command where the repository goes. */
function repoPath(cli: Cli, repo: string): string {
  try {
    return hostPath(cli, repo);
  } catch (fault) {
    const { code, message, details } = fault as BangerError;
    const hint = `This is taken for a repository; a command for the guest comes after "--": … -- ${repo}`;
    throw new BangerError(code, { message, hint, ...(details && { details }), cause: fault });
  }
}

/** They name files, whose names are anybody's. */
export function noteAll(cli: Cli, notes: readonly string[]): void {
  for (const note of notes) cli.note(cleanLine(note));
}

/** What else would be done with it, in lines, and as values for programs */
type Preview = (plan: WorkspacePlan) => Promise<{ lines: string[]; values: object }>;

/** Says what would travel, and what `preview` says; does nothing. */
export async function showPlan(cli: Cli, repo: string, flags: SourceFlags, preview?: Preview): Promise<void> {
  const plan = await cli.client.workspacePlan({ ...planRequest(cli, repo, flags), listFiles: true });
  const more = await preview?.(plan);
  if (cli.isJson) {
    cli.printJson({ ...plan, ...(more && { devcontainer: more.values }) });
    return;
  }
  for (const { path, sizeBytes } of plan.entries ?? [])
    cli.print(`${formatSize(sizeBytes).padStart(8)}  ${cleanLine(path)}\n`);
  noteAll(cli, plan.notes);
  cli.note(cleanLine(describePlan(plan)));
  noteAll(cli, more?.lines ?? []);
}

export function describePlan({ repo, files, sizeBytes, changed, base }: WorkspacePlan): string {
  const from = base === null ? 'no commit yet' : `${changed} changed since ${base.slice(0, 12)}`;
  return `${repo}: ${count(files, 'file')}, ${formatSize(sizeBytes)}, ${from}.`;
}
