/**
 * Gives commits other parents. A guest that has no history before the base has no parents to give to a rewritten base:
 * they are put back, and the commits on top of it are rewritten too.
 */
import { createHash } from 'node:crypto';

/** A commit as git keeps it, in latin1 */
export type RawCommit = { id: string; body: string };

/** Name, address and time: what an amend, a rebase and a fixup leave as they were. */
export function authorOf({ body }: RawCommit): string | null {
  return /^author .*$/m.exec(headerOf(body))?.[0] ?? null;
}

/**
 * Those of `commits` that change when `roots` get these parents; parents come before their children, in and out. A
 * signature does not hold for what has changed, and goes.
 */
export function withParents(
  commits: readonly RawCommit[],
  roots: ReadonlySet<string>,
  parents: readonly string[],
): (RawCommit & { was: string })[] {
  const renamed = new Map<string, string>();
  const rewritten: (RawCommit & { was: string })[] = [];
  for (const { id, body } of commits) {
    const header = headerOf(body);
    const lines = header.split('\n');
    const isRoot = roots.has(id);
    const changed = lines.map((line) => {
      const now = line.startsWith('parent ') ? renamed.get(line.slice('parent '.length)) : undefined;
      return now === undefined ? line : `parent ${now}`;
    });
    if (isRoot) changed.splice(1, 0, ...parents.map((parent) => `parent ${parent}`));
    if (changed.join('\n') === header) continue;
    const whole = withoutSignature(changed).join('\n') + body.slice(header.length);
    const now = idOf(whole, id.length);
    renamed.set(id, now);
    rewritten.push({ was: id, id: now, body: whole });
  }
  return rewritten;
}

function headerOf(body: string): string {
  const end = body.indexOf('\n\n');
  return end < 0 ? body : body.slice(0, end);
}

/** A signature goes on in the lines that begin with a space. */
function withoutSignature(lines: readonly string[]): string[] {
  let isSignature = false;
  return lines.filter((line) => {
    isSignature = /^gpgsig(-sha256)? /.test(line) || (isSignature && line.startsWith(' '));
    return !isSignature;
  });
}

function idOf(body: string, idLength: number): string {
  const bytes = Buffer.from(body, 'latin1');
  const hash = createHash(idLength === 40 ? 'sha1' : 'sha256');
  return hash.update(`commit ${bytes.length}\0`).update(bytes).digest('hex');
}
