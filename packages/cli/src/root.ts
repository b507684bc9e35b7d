/**
 * Where the other programs of this banger are: below one folder, laid out alike in a checkout and in what a package
 * installs. The command that a package brings is compiled, which its runtime tells; then its own file says where that is.
 */
import { dirname, join } from 'node:path';

export const IS_COMPILED = process.versions.bun !== undefined;

export const ROOT = IS_COMPILED ? dirname(dirname(process.execPath)) : join(import.meta.dirname, '../../..');

/** The pinned Node, which runs the daemon */
export const NODE = join(ROOT, 'node_modules/node/bin/node');
export const FIND_SOURCES = join(ROOT, 'packages/cli/src/find-sources.cts');

/** An entry of the daemon's program */
export function daemonEntry(name: 'main' | 'inspect' | 'recover' | 'system'): string {
  return join(ROOT, `packages/daemon/src/${name}.ts`);
}
