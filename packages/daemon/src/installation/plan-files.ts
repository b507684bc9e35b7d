/** Which files an install brings to the host, and whether it may put them there. */
import * as files from 'node:fs';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { builtProgram } from '@banger/contract/built-program.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { checkTrustedPath } from '@banger/contract/own-folder.ts';
import { FORWARDING_FILE, forwardingFile } from './forwarding.ts';
import { type Account, METADATA, type Metadata, pathsOf } from './metadata.ts';
import { type Content, digestOf, readPlaced } from './place-files.ts';
import { refused } from './refusals.ts';
import { renderUnit, UNIT_FOLDER, UNITS } from './units.ts';

/** What root runs is root's, also where banger is a checkout of the owner's. In /usr/local a group may write on some hosts. */
export const COPIED_HELPER = '/opt/banger/banger-root';

/** What goes to the host, by its path there. */
export function planFiles(root: string, owner: Account): Map<string, Content> {
  const built = builtProgram(root, 'banger-root', existsSync);
  const helper = built.startsWith('/usr/lib/') ? built : COPIED_HELPER;
  const planned = new Map<string, Content>();
  if (helper === COPIED_HELPER) {
    if (!existsSync(built)) throw refused('The root helper is not built.', 'make setup');
    planned.set(COPIED_HELPER, { bytes: readFileSync(built), mode: 0o755 });
  }
  planned.set(FORWARDING_FILE, forwardingFile(root));
  for (const name of UNITS) {
    const template = readFileSync(join(root, 'packaging/systemd', name), 'utf8');
    const text = renderUnit(template, { root, helper, owner });
    planned.set(`${UNIT_FOLDER}/${name}`, { bytes: Buffer.from(text), mode: 0o644 });
  }
  return planned;
}

/** What is there now, to be put back. Throws INSTALL_REFUSED for what is not ours, and where others than root could write. */
export function readOld(
  hostRoot: string,
  before: Metadata | null,
  planned: ReadonlyMap<string, Content>,
): Map<string, Content | null> {
  const ours = new Set([METADATA, ...pathsOf(before)]);
  const old = new Map<string, Content | null>();
  for (const path of [...ours, ...planned.keys()]) {
    const found = readPlaced(join(hostRoot, path));
    expectRoots(hostRoot, path);
    const wanted = planned.get(path);
    if (found !== null && !ours.has(path) && wanted && digestOf(found) !== digestOf(wanted)) {
      throw refused(`${path} is there already, and no install has written it.`, 'Look at it, and move it away.');
    }
    old.set(path, found);
  }
  return old;
}

function expectRoots(hostRoot: string, path: string): void {
  try {
    checkTrustedPath(join(hostRoot, path), { uid: statSync(hostRoot).uid, files });
  } catch (cause) {
    if (!(cause instanceof BangerError)) throw cause;
    throw refused(cause.message, 'What root runs is to be root’s alone: "chown root", "chmod go-w".');
  }
}
