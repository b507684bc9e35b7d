/**
 * `strip-types.ts <folder>`: takes the types out of the sources below it, in place, so that Node has nothing to do to them before
 * it runs them. Lines and columns stay as they are.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('which folder has the sources?');
for (const name of globSync('**/*.ts', { cwd: folder })) {
  const path = join(folder, name);
  writeFileSync(path, stripTypeScriptTypes(readFileSync(path, 'utf8')));
}
