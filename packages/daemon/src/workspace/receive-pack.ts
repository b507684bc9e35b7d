/**
 * Objects from a guest to a quarantine: a repository of its own, where they are bounded and parsed by git with limits on
 * its memory and time, and where nothing sees them but the checks.
 */
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import type { Guest } from '../guest/guest.ts';
import type { Task } from '../platform/task.ts';
import { together } from '../platform/together.ts';
import { type Git, type GitPlace, gitWords } from './git.ts';
import { runAsOwner } from './guest-command.ts';
import { type GuestHeader, HeaderReader } from './guest-header.ts';
import { showName } from './tree-entries.ts';
import type { WorkspaceLimits } from './workspace-parts.ts';

const MAX_HEADER_LINE_BYTES = 1000;
const PACK_HEADER_BYTES = 12;

type Receiving = { guest: Guest; argv: string[]; cwd: string; env: Record<string, string>; limits: WorkspaceLimits };

/** Throws WORKSPACE_REFUSED, WORKSPACE_FAILED or VM_LOST. */
export async function receivePack(task: Task, git: Git, quarantine: GitPlace, given: Receiving): Promise<GuestHeader> {
  const { guest, argv, cwd, env, limits } = given;
  const reader = new HeaderReader();
  const pack = new PassThrough();
  let head: Buffer = Buffer.alloc(0);
  let sentBytes = 0;
  const maxBytes = limits.packBytes + MAX_HEADER_LINE_BYTES;

  const index = ['index-pack', '--stdin', '--strict', `--max-input-size=${maxBytes}`];
  await explained(() =>
    together(task, [
      // Whoever waits for room in the pack is told that nobody reads any more.
      (own) => git.run(own, quarantine, index, { stdin: pack, isHostile: true }).finally(() => pack.destroy()),
      (own) => runAsOwner(own, guest, { argv, cwd, env, maxBytes, onStdout: passOn }).then(() => pack.end()),
    ]),
  );
  return reader.whole();

  async function passOn(bytes: Buffer): Promise<void> {
    const rest = reader.push(bytes);
    if (head.length < PACK_HEADER_BYTES) {
      head = Buffer.concat([head, rest]).subarray(0, PACK_HEADER_BYTES);
      if (head.length === PACK_HEADER_BYTES) checkPackHeader(head, limits);
    }
    sentBytes += rest.length;
    task.progress(sentBytes, null, 'bytes');
    if (rest.length === 0 || pack.destroyed || pack.write(rest)) return;
    const waiting = new AbortController();
    const { signal } = waiting;
    await Promise.race([once(pack, 'drain', { signal }), once(pack, 'close', { signal })]).finally(() =>
      waiting.abort(),
    );
  }
}

function checkPackHeader(head: Buffer, { objects }: WorkspaceLimits): void {
  if (head.toString('latin1', 0, 4) !== 'PACK') throw refused('what it sent is not a pack of git objects');
  const count = head.readUInt32BE(8);
  if (count > objects) throw refused(`it announced ${count} objects; at most ${objects} are taken`);
}

/** Sizes in bytes, unpacked, by id */
export type ReceivedObjects = ReadonlyMap<string, number>;

/** What is in the quarantine itself. Throws WORKSPACE_REFUSED when it unpacks to too much. */
export async function listReceived(
  task: Task,
  git: Git,
  quarantine: GitPlace,
  limits: WorkspaceLimits,
): Promise<ReceivedObjects> {
  const folder = join(quarantine.gitDir, 'objects/pack');
  const index = (await readdir(folder)).find((name) => name.endsWith('.idx'));
  const received = new Map<string, number>();
  if (index === undefined) return received;
  const listed = await git.text(task, quarantine, ['show-index'], {
    stdin: createReadStream(join(folder, index)),
    isHostile: true,
  });
  const ids = listed.split('\n').flatMap((line) => line.split(' ')[1] ?? []);
  if (ids.length === 0) return received;
  const sizes = await git.text(task, quarantine, ['cat-file', '--batch-check'], {
    stdin: `${ids.join('\n')}\n`,
    isHostile: true,
  });
  let sumBytes = 0;
  for (const line of sizes.split('\n')) {
    const [id = '', , size] = line.split(' ');
    const sizeBytes = Number(size);
    sumBytes += sizeBytes;
    if (id !== '') received.set(id, sizeBytes);
  }
  if (sumBytes <= limits.unpackedBytes) return received;
  throw refused(`its objects unpack to more than ${formatSize(limits.unpackedBytes)}`);
}

const LOOK = '"banger vm exec" enters the vm to see; "banger vm cp" brings single files out.';

export function refused(why: string, cause?: unknown, hint = LOOK): BangerError {
  return new BangerError('WORKSPACE_REFUSED', {
    message: `What the guest offers was refused, and nothing was changed on the host: ${showName(why)}.`,
    hint,
    cause,
  });
}

/** What git says of a guest's objects, or what it wanted too much of, refuses them. */
export async function explained<Value>(work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (fault) {
    throw gitWords(fault) === null ? fault : refused(gitWords(fault) as string, fault);
  }
}
