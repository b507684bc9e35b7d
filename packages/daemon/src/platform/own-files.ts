/** Files and folders of the user that this process runs as, by the rule that the command goes by too. */
import * as files from 'node:fs';
import type { FolderOwner } from '@banger/contract/own-folder.ts';

export const OWNER: FolderOwner = { uid: process.getuid?.() ?? 0, files };

/** Whether it is a file that nobody else has made or can change. What is booted or believed is asked for it. */
export function isOwnFile(path: string): boolean {
  const found = files.lstatSync(path, { throwIfNoEntry: false });
  return found?.isFile() === true && found.uid === OWNER.uid && (found.mode & 0o022) === 0;
}
