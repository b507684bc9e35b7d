/**
 * banger's lines in the user's ssh config: where they are, and what the file is with and without them. Bytes in, bytes
 * out: the rest of the file may be in any encoding, and comes back as it was.
 */
import { BangerError } from '@banger/contract/errors.ts';

/** What did not exist before banger's lines, and goes with them when nothing else is in it */
export type MadeFor = 'nothing' | 'file' | 'folder';

const BEGIN = '# >>> banger ssh-config >>>';
const END = '# <<< banger ssh-config <<<\n';
const WORDS: Record<MadeFor, string> = {
  nothing: ' "banger ssh-config --uninstall" removes these lines',
  file: ' "banger ssh-config --uninstall" removes these lines and the file, which was made for them',
  folder: ' "banger ssh-config --uninstall" removes these lines, the file and its folder, which were made for them',
};

type Block = { start: number; end: number; madeFor: MadeFor };

/** The lines go to the top: further down they could stand inside somebody's Host section. */
export function addBlock(content: Buffer, include: string, madeFor: MadeFor): Buffer {
  const present = findBlock(content);
  const text = Buffer.from(`${BEGIN}${WORDS[present?.madeFor ?? madeFor]}\n${include}\n${END}`);
  if (present === null) return Buffer.concat([text, content]);
  return Buffer.concat([content.subarray(0, present.start), text, content.subarray(present.end)]);
}

/** Null when the lines are not there. Throws SSH_CONFIG_BROKEN. */
export function removeBlock(content: Buffer): { content: Buffer; madeFor: MadeFor } | null {
  const block = findBlock(content);
  if (block === null) return null;
  const left = Buffer.concat([content.subarray(0, block.start), content.subarray(block.end)]);
  return { content: left, madeFor: block.madeFor };
}

/** OpenSSH takes the path for a pattern, in which a backslash goes before what would be one. */
export function includeLine(configPath: string): string {
  const pattern = configPath.replace(/[*?[\]\\]/g, '\\$&');
  return `Include "${pattern.replace(/["\\]/g, '\\$&')}"`;
}

function findBlock(content: Buffer): Block | null {
  const start = content.indexOf(BEGIN);
  if (start < 0) return null;
  const endAt = content.indexOf(END, start);
  const lineEnd = content.indexOf('\n', start);
  if (endAt < 0 || (start > 0 && content[start - 1] !== 0x0a)) throw broken();
  const words = content.toString('utf8', start + BEGIN.length, lineEnd);
  const madeFor = (Object.keys(WORDS) as MadeFor[]).find((key) => WORDS[key] === words) ?? 'nothing';
  return { start, end: endAt + END.length, madeFor };
}

function broken(): BangerError {
  return new BangerError('SSH_CONFIG_BROKEN', {
    message: `The lines from "${BEGIN}" on have been changed: where they end is no longer clear.`,
    hint: `Remove them with an editor, up to and with "${END.trim()}" if it is there.`,
  });
}
