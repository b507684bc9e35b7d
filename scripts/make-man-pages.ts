/** `make-man-pages.ts <folder>`: writes the man pages there, made from the table of commands. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderManPages } from '@banger/cli/man-pages.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('which folder are they to go to?');
mkdirSync(folder, { recursive: true });
for (const [name, text] of renderManPages()) writeFileSync(join(folder, name), text);
