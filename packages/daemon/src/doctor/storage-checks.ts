/** Where banger writes: whether it may, how much room there is, and whether copies are free. */
import { accessSync, constants, existsSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Check } from '@banger/contract/api/doctor.ts';
import { toBangerError } from '@banger/contract/errors.ts';
import { checkOwnFolder } from '@banger/contract/own-folder.ts';
import type { BangerPaths } from '@banger/contract/paths.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { OWNER } from '../platform/own-files.ts';
import { fail, pass, warn } from './check.ts';

/** Below it no disk is made; below the other an image and a day's work may not fit */
const LEAST_BYTES = 256 * 2 ** 20;
/** The state is small, and needs no more than this */
const STATE_BYTES = 4 * 2 ** 20;
const COMFORTABLE_BYTES = 4 * 2 ** 30;

export function checkStorage(paths: BangerPaths): Check[] {
  return [checkFolders(paths), checkSpace(paths), checkReflink(paths.data)];
}

function checkFolders({ state, data, cache, runtime }: BangerPaths): Check {
  try {
    for (const path of [state, data, cache, runtime]) checkOwnFolder(path, OWNER);
  } catch (thrown) {
    const { message, details } = toBangerError(thrown);
    return fail('folders', message.replace(/\.$/, ''), `ls -ld ${details?.at ?? details?.path}`);
  }
  const closed = [state, data, cache, runtime].filter((path) => !isWritable(existing(path)));
  if (closed.length === 0) return pass('folders', 'state, data, cache and sockets are yours alone, and can be written');
  return fail('folders', `${closed.join(', ')} cannot be written`, `ls -ld ${existing(closed[0] as string)}`);
}

/** Where least is free: state, disks and images may lie on filesystems of their own. */
function checkSpace({ state, data }: BangerPaths): Check {
  const [least] = [data, join(data, 'vms'), join(data, 'images')].map(freeAt).sort((a, b) => a.free - b.free);
  const ofState = freeAt(state);
  const { free, path } = ofState.free < STATE_BYTES || !least ? ofState : least;
  const withoutInodes = [ofState, least].find((each) => each?.hasInodes === false);
  if (withoutInodes) return fail('disk space', `${withoutInodes.path} has no inodes left`, 'banger system prune');
  return judgeSpace(free, path);
}

function freeAt(path: string): { free: number; hasInodes: boolean; path: string } {
  const { bavail, bsize, files, ffree } = statfsSync(existing(path));
  return { free: bavail * bsize, hasInodes: files === 0 || ffree > 0, path: existing(path) };
}

export function judgeSpace(free: number, path: string): Check {
  const text = `${formatSize(free)} are free at ${path}`;
  if (free < LEAST_BYTES) return fail('disk space', `${text}; no vm can be made`, 'banger system prune');
  if (free < COMFORTABLE_BYTES)
    return warn('disk space', `${text}, which an image and a few vms fill`, 'banger system prune');
  return pass('disk space', text);
}

function checkReflink(data: string): Check {
  return judgeReflink(statfsSync(existing(data)).type);
}

/** By the type of the filesystem, since trying it would write. */
export function judgeReflink(type: number): Check {
  const known = FILESYSTEMS[type] ?? { name: `0x${type.toString(16)}`, canReflink: null };
  const texts = new Map([
    [true, 'copies of disks share their blocks'],
    [false, 'it has no reflinks: copies of disks take their full size'],
    [null, 'whether copies of disks share their blocks shows when one is made'],
  ]);
  return pass('reflink', `the filesystem is ${known.name}: ${texts.get(known.canReflink)}`);
}

const FILESYSTEMS: Record<number, { name: string; canReflink: boolean | null }> = {
  2435016766: { name: 'btrfs', canReflink: true },
  3393526350: { name: 'bcachefs', canReflink: true },
  1481003842: { name: 'xfs', canReflink: null }, // unless it was made without, or before 2018
  801189825: { name: 'zfs', canReflink: null }, // from 2.2 on
  2035054128: { name: 'overlayfs', canReflink: null }, // as what lies below it
  61267: { name: 'ext4', canReflink: false },
  16914836: { name: 'tmpfs', canReflink: false },
  26985: { name: 'nfs', canReflink: null },
};

/** The folder itself, or the nearest one above that is there. */
function existing(path: string): string {
  return existsSync(path) || path === '/' ? path : existing(dirname(path));
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
