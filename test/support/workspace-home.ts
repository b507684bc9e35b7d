/** A repository of the owner's, and a running fake vm to bring it to. The fake guest's files are a folder of the host. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Workspace, WorkspaceExport } from '@banger/contract/api/workspaces.ts';
import { createFakeHome } from './fake-home.ts';
import { createRepository } from './sample-repository.ts';

export async function createWorkspaceHome(t: TestContext) {
  const home = await createFakeHome(t);
  const repo = createRepository(join(home.folder, 'project'));
  await home.json(['vm', 'create', '--name', 'web', '--start']);
  const [id = ''] = readdirSync(join(home.paths.data, 'vms'));
  const root = join(home.paths.data, 'vms', id, 'fake-root');
  return { home, repo, root, inside, read, has, guestGit, bring, refuse, exportBranch };

  function inside(path: string): string {
    return join(root, path);
  }

  function read(path: string): string {
    return readFileSync(inside(path), 'utf8');
  }

  function has(path: string): boolean {
    return existsSync(inside(path));
  }

  /** git as somebody in the guest runs it */
  function guestGit(folder: string, ...args: string[]): string {
    const who = ['-c', 'user.name=guest', '-c', 'user.email=guest@web.vm'];
    return execFileSync('git', [...who, ...args], { cwd: inside(folder), encoding: 'utf8', stdio: 'pipe' }).trim();
  }

  function bring(path: string, ...flags: string[]): Promise<Workspace> {
    return home.json<Workspace>(['vm', 'workspace', 'import', 'web', path, ...flags]);
  }

  /** Its words, when it is refused as it should */
  async function refuse(code: string, ...args: string[]): Promise<string> {
    const { stderr } = await home.run(args);
    if (!stderr.includes(`(${code})`))
      throw new Error(`banger ${args.join(' ')} was not refused as ${code}: ${stderr}`);
    return stderr;
  }

  function exportBranch(branch: string, ...flags: string[]): Promise<WorkspaceExport> {
    return home.json<WorkspaceExport>(['vm', 'workspace', 'export', 'web', '--branch', branch, ...flags]);
  }
}
