/** What the fake agent gives of a guest's root when all of it is asked for: what GNU tar makes of a copy. */
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { RootWanted } from '../../packages/contract/src/guest/root-wanted.ts';
import { readQuery } from '../../packages/contract/src/query.ts';

const MAX_TAR_BYTES = 64 * 2 ** 20;

/** `image` is what the guest was made from, where the fake knows it. */
export function packFakeRoot(root: string, image: string | null, wanted: RootWanted): Buffer {
  const copy = mkdtempSync(join(tmpdir(), 'banger-fake-root-'));
  try {
    execFileSync('cp', ['-a', `${root}/.`, copy]);
    choose(copy, image, wanted);
    return execFileSync('tar', ['-C', copy, '--xattrs', '--sparse', '-cf', '-', '.'], { maxBuffer: MAX_TAR_BYTES });
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function choose(copy: string, image: string | null, wanted: RootWanted): void {
  for (const { file, mark, lines } of wanted.withoutLines) {
    change(join(copy, file), (text) => text.replaceAll(new RegExp(`^.*${mark}\n(.*\n){${lines - 1}}`, 'gm'), ''));
  }
  for (const { file, folder, start } of wanted.withoutTextsOf) {
    const texts = named(join(copy, folder), start).map((path) => readFileSync(path, 'latin1').trimEnd());
    change(join(copy, file), (text) => texts.reduce((left, each) => left.replaceAll(`${each}\n`, ''), text));
  }
  for (const { folder, start } of wanted.withoutLinksTo) {
    const links = named(join(copy, folder), '').filter((path) => lstatSync(path).isSymbolicLink());
    for (const path of links) if (basename(readlinkSync(path)).startsWith(start)) rmSync(path);
  }
  for (const start of wanted.withoutStarting.map(decode)) {
    for (const path of named(join(copy, start, '..'), basename(start))) rmSync(path, { recursive: true });
  }
  for (const name of wanted.without.map(decode)) rmSync(join(copy, name), { recursive: true, force: true });
  for (const name of wanted.asInImage.map(decode)) {
    if (!lstatSync(join(copy, name), { throwIfNoEntry: false })) continue;
    rmSync(join(copy, name));
    if (image !== null && lstatSync(join(image, name), { throwIfNoEntry: false })) {
      execFileSync('cp', ['-a', join(image, name), join(copy, name)]);
    }
  }
}

function change(path: string, how: (text: string) => string): void {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isFile()) return;
  const before = readFileSync(path, 'latin1');
  const after = how(before);
  if (after !== before) writeFileSync(path, after, 'latin1');
}

/** Those in the folder whose names begin so */
function named(folder: string, start: string): string[] {
  if (!lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [];
  return readdirSync(folder).flatMap((name) => (name.startsWith(start) ? join(folder, name) : []));
}

function decode(name: string): string {
  return readQuery(`name=${name}`).name ?? '';
}
