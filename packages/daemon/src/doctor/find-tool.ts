/** Whether a program is there to be started. */
import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';

export function hasTool(name: string, searchPath: string): boolean {
  const candidates = name.includes('/')
    ? [name]
    : searchPath
        .split(':')
        .filter(Boolean)
        .map((folder) => join(folder, name));
  return candidates.some(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
