/**
 * Where the host's own programs are: in the folders that only root writes to, whatever the PATH of whoever started the
 * daemon says.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';
import { BangerError } from '@banger/contract/errors.ts';

/** What an administrator installed comes before what Debian did. */
export const TOOL_FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** The whole path of a program; null when it is not installed. A path is looked at as it is. */
export function findTool(tool: string): string | null {
  const candidates = tool.includes('/') ? [tool] : TOOL_FOLDERS.map((folder) => join(folder, tool));
  return candidates.find(isProgram) ?? null;
}

/** Throws TOOL_MISSING. */
export function requireTool(tool: string): string {
  const path = findTool(tool);
  if (path === null) throw toolMissing(tool);
  return path;
}

function toolMissing(tool: string): BangerError {
  return new BangerError('TOOL_MISSING', {
    message: `"${tool}" is not installed.`,
    hint: 'Run "make setup" in the checkout: it names the Debian packages that banger uses, and why.',
    details: { tool },
  });
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
