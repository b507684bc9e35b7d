/** The host's time zone: its name where it has one, and what it says. */
import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { readRegularFile } from '../platform/regular-file.ts';
import type { Task } from '../platform/task.ts';

const MAX_ZONE_BYTES = 64 * 1024;
const MAX_NAME_BYTES = 256;

/** `content` is empty when the host knows only the name */
export type HostTimeZone = { name: string | null; content: Buffer };

/** Null, with a note, where the host does not say. */
export async function readHostTimeZone(task: Task, hostRoot: string): Promise<HostTimeZone | null> {
  const name = (await nameByLink(hostRoot)) ?? (await nameByFile(hostRoot));
  const found = await readOrEmpty(join(hostRoot, 'etc/localtime'), MAX_ZONE_BYTES);
  const content = found.subarray(0, 4).toString('latin1') === 'TZif' ? found : Buffer.alloc(0);
  if (name !== null || content.length > 0) return { name, content };
  task.note('The host does not say its time zone: it has neither an /etc/localtime nor an /etc/timezone.');
  return null;
}

async function nameByLink(hostRoot: string): Promise<string | null> {
  const target = await readlink(join(hostRoot, 'etc/localtime')).catch(() => '');
  return zoneName(/\/zoneinfo\/(?:posix\/|right\/)?(.+)$/.exec(target)?.[1] ?? '');
}

async function nameByFile(hostRoot: string): Promise<string | null> {
  const text = await readOrEmpty(join(hostRoot, 'etc/timezone'), MAX_NAME_BYTES);
  return zoneName(text.toString('latin1').trim());
}

/** "Europe/Berlin"; a name becomes a path in the guest */
export function zoneName(text: string): string | null {
  return /^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9][A-Za-z0-9_+-]*){0,2}$/.test(text) && text.length <= 64 ? text : null;
}

/** A file that cannot be read counts as one that is not there. */
function readOrEmpty(path: string, maxBytes: number): Promise<Buffer> {
  return readRegularFile(path, maxBytes, (why) => new Error(why)).catch(() => Buffer.alloc(0));
}
