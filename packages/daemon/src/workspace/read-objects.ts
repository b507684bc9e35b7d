/** Reading the owner's repository, and why it cannot be brought in. */
import { BangerError } from '@banger/contract/errors.ts';
import { gitWords } from './git.ts';
import { showName } from './tree-entries.ts';

/** A partial clone lacks objects, and banger fetches nothing. */
export async function readObjects<Value>(work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (cause) {
    const words = gitWords(cause);
    if (words === null) throw cause;
    const isMissing = /missing|unable to read|bad object|not a valid object|could not fetch|fetch .*promisor/.test(
      words,
    );
    throw invalid(
      `git could not read it: ${showName(words)}.`,
      isMissing
        ? 'Objects are missing. In a partial clone, "git fetch --refetch --no-filter" brings them.'
        : '"git fsck" and "git status" in it tell more.',
      cause,
    );
  }
}

export function invalid(why: string, hint?: string, cause?: unknown): BangerError {
  return new BangerError('REPO_INVALID', {
    message: `The repository cannot be brought in. ${why}`,
    ...(hint !== undefined && { hint }),
    cause,
  });
}
