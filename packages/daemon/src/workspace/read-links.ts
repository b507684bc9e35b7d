/** Where the links of a tree point, as git keeps them: small files whose content is the target. */
import type { Task } from '../platform/task.ts';
import type { Git, GitPlace } from './git.ts';

/** The content of blobs by their id, all by one program; what is not there is left out. Bytes are latin1. */
export async function readBlobs(
  task: Task,
  git: Git,
  place: GitPlace,
  ids: Iterable<string>,
): Promise<Map<string, string>> {
  const wanted = [...new Set(ids)];
  if (wanted.length === 0) return new Map();
  const stdin = wanted.map((id) => `${id}\n`).join('');
  return parseBatch(await git.run(task, place, ['cat-file', '--batch'], { stdin, isHostile: true }));
}

/** Of `cat-file --batch`: a line that tells the size, that many bytes, and a newline. */
function parseBatch(output: Buffer): Map<string, string> {
  const contents = new Map<string, string>();
  for (let at = 0; at < output.length; ) {
    const end = output.indexOf(10, at);
    const [id = '', , size] = output.toString('latin1', at, end).split(' ');
    at = end + 1;
    if (size === undefined) continue; // missing
    contents.set(id, output.toString('latin1', at, at + Number(size)));
    at += Number(size) + 1;
  }
  return contents;
}
