/** The programs that were pulled, as their own folders tell of them; for the doctor too, which has no daemon. */
import { basename, join } from 'node:path';
import { type Digest, digestOfHex } from '@banger/contract/digest.ts';
import type { BangerPaths } from '@banger/contract/paths.ts';
import { z } from 'zod';
import { digestFile, listFolder, readSmallFile, sizeOfFile } from '../platform/files.ts';
import type { Task } from '../platform/task.ts';

/** A folder for each, named after its digest */
export function pulledPrograms(paths: Pick<BangerPaths, 'data'>): string {
  return join(paths.data, 'hypervisors');
}

export const MANIFEST = 'manifest.json';

const manifestSchema = z.object({
  v: z.literal(1),
  name: z.string(),
  version: z.string(),
  createdAt: z.iso.datetime(),
});

type Pulled = Omit<z.infer<typeof manifestSchema>, 'v'> & { digest: Digest; path: string; sizeBytes: number };

/** Those of this name in `<folder>/<digest>/`, the newest first. */
export async function findPulled(folder: string, name: string): Promise<Pulled[]> {
  return (await listFolder(folder))
    .map((entry) => readPulled(join(folder, entry)))
    .filter((pulled) => pulled !== null)
    .filter((pulled) => pulled.name === name)
    .sort((one, other) => other.createdAt.localeCompare(one.createdAt));
}

/** A tool that is named by its path is that file; else it is what was pulled under its name, or the host's own. */
export async function locateProgram(folder: string, tool: string): Promise<string> {
  if (tool.includes('/')) return tool;
  return (await findPulled(folder, tool))[0]?.path ?? tool;
}

/** Whether the program is the one that its folder is named after. */
export async function isWholeProgram(task: Task, folder: string): Promise<boolean> {
  const pulled = readPulled(folder);
  return pulled !== null && (await digestFile(task, pulled.path)) === pulled.digest;
}

/** What a folder says of itself; null unless its program is there. */
function readPulled(folder: string): Pulled | null {
  try {
    const digest = digestOfHex(basename(folder));
    const { v: _, ...facts } = manifestSchema.parse(JSON.parse(readSmallFile(join(folder, MANIFEST))));
    const path = join(folder, basename(facts.name));
    return digest && { ...facts, digest, path, sizeBytes: sizeOfFile(path) };
  } catch {
    return null; // half-made, or damaged by hand: a pull makes it anew
  }
}
