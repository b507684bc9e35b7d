import { realpathSync, statSync } from 'node:fs';
import { textOfBytes } from '@banger/contract/byte-text.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { readTar } from '@banger/contract/tar/read-tar.ts';
import type { ByteStream } from '@banger/sdk/connect.ts';
import type { Cli } from '../../cli.ts';
import { fsPath } from '../../copy/fs-path.ts';
import { type CopyCount, packFiles } from '../../copy/pack-files.ts';
import { type Kind, parseSide, planCopy, type Side } from '../../copy/plan-copy.ts';
import { unpackFiles } from '../../copy/unpack-files.ts';
import { basename, dirname, normalize, resolve } from '../../exact-path.ts';
import { openGuestOutput } from '../../guest-output.ts';
import { untilInterrupted } from '../../interrupts.ts';
import type { Run } from '../../load-command.ts';
import { openStdin } from '../../open-stdin.ts';
import { EXIT_BROKEN_PIPE } from '../../output/terminal.ts';

type GuestSide = Extract<Side, { is: 'guest' }>;
type Copy = { cli: Cli; signal: AbortSignal; count: CopyCount };

/** As many links in a row as Linux follows */
const MAX_LINKS = 40;

export const run: Run<'vm cp'> = async (cli, input) => {
  const source = parseSide(input.arguments.source);
  const destination = parseSide(input.arguments.destination);
  const signal = untilInterrupted();
  const copy: Copy = { cli, signal, count: { files: 0, bytes: 0, skipped: 0 } };
  try {
    return await copyBetween(copy, source, destination);
  } catch (thrown) {
    throw signal.aborted ? interrupted(thrown) : thrown;
  }
};

async function copyBetween(copy: Copy, source: Side, destination: Side): Promise<number> {
  const { cli, count } = copy;
  if (source.is === 'guest' && destination.is === 'host') await copyOut(copy, source, destination.path);
  else if (source.is === 'guest' && destination.is === 'stream') return streamOut(copy, source);
  else if (source.is === 'host' && destination.is === 'guest') await copyIn(copy, source.path, destination);
  else if (source.is === 'stream' && destination.is === 'guest') await streamIn(copy, destination);
  else {
    throw new BangerError('USAGE', {
      message: 'One side of "banger vm cp" is in a vm, the other on the host.',
      hint: 'Write one of them as <vm>:/path, such as web:/root/notes.',
    });
  }
  if (cli.isJson) cli.printJson(count);
  else if (source.is !== 'stream') cli.note(describeCount(count));
  return 0;
}

function interrupted(cause: unknown): BangerError {
  return new BangerError('CANCELLED', {
    message: 'The copy was interrupted.',
    hint: 'The file that was being copied is as it was before, there or not; those that came before it may be copied.',
    cause,
  });
}

async function copyIn({ cli, signal, count }: Copy, sourcePath: string, to: GuestSide): Promise<void> {
  const path = cli.absolutePath(sourcePath);
  const kind = hostKind(path);
  if (kind === null) throw missing(path);
  const { folder, name } = planCopy({
    source: { path: withEnding(path, sourcePath), kind },
    destination: {
      path: to.path,
      kind: await guestKind(cli, signal, to.vm, to.path),
      parentKind: await guestKind(cli, signal, to.vm, dirname(normalize(to.path))),
    },
  });
  await cli.client.vmFilesPut({ vm: to.vm, path: folder, tar: packFiles({ path, name, count }) }, { signal });
}

async function copyOut({ cli, signal, count }: Copy, from: GuestSide, destinationPath: string): Promise<void> {
  const kind = await guestKind(cli, signal, from.vm, from.path);
  if (kind === null) {
    throw new BangerError('GUEST_PATH', {
      message: `There is no ${from.path} in the vm "${from.vm}".`,
      hint: `"banger vm exec ${from.vm} -- ls ${dirname(from.path)}" shows what there is.`,
    });
  }
  const path = whereItLeads(cli.absolutePath(destinationPath));
  const { folder, name } = planCopy({
    source: from.path === '/' ? { path: '/.', kind } : { path: from.path, kind },
    destination: { path: withEnding(path, destinationPath), kind: hostKind(path), parentKind: hostKind(dirname(path)) },
  });
  const { tar, base } = await openFollowingLinks(cli, signal, from);
  await unpackFiles(tar, { folder: whereItLeads(folder), base, name, count });
}

/** What was named may be a link inside the guest: then what it points to is wanted, by the guest's own idea of it. */
async function openFollowingLinks(
  cli: Cli,
  signal: AbortSignal,
  { vm, path }: GuestSide,
): Promise<{ tar: AsyncIterable<Uint8Array>; base: string }> {
  let wanted = cleanGuestPath(path);
  for (let links = 0; links < MAX_LINKS; links++) {
    const base = basename(wanted);
    if (base === '') {
      throw new BangerError('GUEST_PATH', {
        message: 'The whole root of a vm cannot be copied.',
        hint: `Name folders below it, or use "banger vm exec ${vm} -- tar c --one-file-system /".`,
      });
    }
    const target = await linkTarget(await cli.client.vmFilesGet({ vm, path: wanted }, { signal }));
    if (target === null) return { tar: await cli.client.vmFilesGet({ vm, path: wanted }, { signal }), base };
    wanted = resolve(dirname(wanted), target);
  }
  throw new BangerError('GUEST_PATH', { message: `The link ${path} in the vm "${vm}" leads in a circle.` });
}

async function linkTarget(tar: ByteStream): Promise<string | null> {
  try {
    for await (const entry of readTar(tar)) return entry.type === 'symlink' ? entry.target : null;
    return null;
  } finally {
    tar.close();
  }
}

async function streamOut({ cli, signal }: Copy, from: GuestSide): Promise<number> {
  const tar = await cli.client.vmFilesGet({ vm: from.vm, path: cleanGuestPath(from.path) }, { signal });
  const stdout = openGuestOutput(1);
  return Promise.race([write(), stdout.broken.then(() => EXIT_BROKEN_PIPE)]);

  async function write(): Promise<number> {
    const passing = passOn();
    // Nothing of it is wanted but whether it is whole.
    for await (const _ of readTar({ [Symbol.asyncIterator]: () => ({ next: () => passing.next() }) }));
    for await (const _ of passing); // what comes after the tar's end mark
    await stdout.flush();
    return 0;
  }

  async function* passOn(): AsyncGenerator<Uint8Array> {
    for await (const bytes of tar) {
      await stdout.write(bytes);
      yield bytes;
    }
  }
}

async function streamIn({ cli, signal }: Copy, to: GuestSide): Promise<void> {
  const tar = openStdin(cli, `tar -c notes | banger vm cp - ${to.vm}:${to.path}`);
  await cli.client.vmFilesPut({ vm: to.vm, path: cleanGuestPath(to.path), tar }, { signal });
}

function hostKind(path: string): Kind {
  try {
    const found = statSync(fsPath(path), { throwIfNoEntry: false });
    if (found === undefined) return null;
    return found.isFile() ? 'file' : found.isDirectory() ? 'directory' : 'other';
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException; // links in a circle, a name that is too long, a closed folder
    throw new BangerError('FILE_NOT_FOUND', {
      message: `${path}: it cannot be read (${code}).`,
      details: { path },
      cause,
    });
  }
}

/** What the user names may be a link of theirs, and is followed; below it none is. */
function whereItLeads(path: string): string {
  if (hostKind(path) === null) return path;
  return textOfBytes(realpathSync(fsPath(path), { encoding: 'buffer' }));
}

async function guestKind(cli: Cli, signal: AbortSignal, vm: string, path: string): Promise<Kind> {
  try {
    const { kind } = await cli.client.vmStat({ vm, path: cleanGuestPath(path) }, { signal });
    return kind === 'symlink' ? 'other' : kind;
  } catch (error) {
    if (error instanceof BangerError && error.code === 'GUEST_PATH') return null;
    throw error;
  }
}

function cleanGuestPath(path: string): string {
  const clean = normalize(path).replace(/\/+$/, '');
  return clean === '' ? '/' : clean;
}

/** `resolve` drops what the ending of a path says: "folder/" and "folder/.". */
function withEnding(path: string, written: string): string {
  if (/(^|\/)\.$/.test(written)) return `${path}/.`;
  return written.endsWith('/') && path !== '/' ? `${path}/` : path;
}

function describeCount({ files, bytes, skipped }: CopyCount): string {
  const left = skipped === 0 ? '' : `; ${skipped} left out (devices, or links that lead out of the copy)`;
  return `${files} ${files === 1 ? 'file' : 'files'} · ${formatSize(bytes)} copied${left}`;
}

function missing(path: string): BangerError {
  return new BangerError('FILE_NOT_FOUND', { message: `${path} does not exist.`, details: { path } });
}
