/** Key pairs in OpenSSH's own files, made by its own tool. */
import { readFile, rename, rm, stat } from 'node:fs/promises';
import { runProcess } from '../platform/run-process.ts';
import type { Task } from '../platform/task.ts';

/** `line` is the algorithm and the key, without the comment */
export type PublicKey = { line: string };

/** Makes `path` (0600) and `path`.pub, unless both are there. Throws TOOL_MISSING. */
export async function makeKeyPair(task: Task, path: string, comment: string): Promise<void> {
  if ((await exists(path)) && (await exists(`${path}.pub`))) return;
  const fresh = `${path}.partial`;
  const removeFresh = () => Promise.all([rm(fresh, { force: true }), rm(`${fresh}.pub`, { force: true })]);
  await removeFresh();
  try {
    await runProcess(task, ['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', fresh]);
    await rename(fresh, path);
    await rename(`${fresh}.pub`, `${path}.pub`);
  } catch (fault) {
    await removeFresh();
    throw fault;
  }
}

/** Of the file of a private key or of a public one. Throws what reading it throws, or that it is no key. */
export async function readPublicKey(path: string): Promise<PublicKey> {
  const publicPath = path.endsWith('.pub') ? path : `${path}.pub`;
  return parsePublicKey(await readFile(publicPath, 'utf8'));
}

/** The comment is left out: it is the user's, and goes nowhere. */
export function parsePublicKey(text: string): PublicKey {
  const [algorithm = '', key = ''] = text.trim().split(/\s+/);
  if (!/^[a-z0-9@.-]{1,100}$/.test(algorithm) || !/^[A-Za-z0-9+/]+=*$/.test(key)) throw new Error('not a public key');
  return { line: `${algorithm} ${key}` };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
