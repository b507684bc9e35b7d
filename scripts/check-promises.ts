/** Holds docs/promises.md to the tests: each title that it names is in the file that it names. */
import { existsSync, readFileSync } from 'node:fs';

const DOCUMENT = 'docs/promises.md';

const faults: string[] = [];
let titles = 0;
for (const [index, line] of readFileSync(DOCUMENT, 'utf8').split('\n').entries()) {
  // `file`: "title", "title"; `file`: "title"
  for (const [, path = '', quoted = ''] of line.matchAll(
    /`([^`]+\.(?:ts|rs))`: ((?:"[^"]+"(?:, by its cases)?,? ?)+)/g,
  )) {
    const text = existsSync(path) ? readFileSync(path, 'utf8').replaceAll("\\'", "'") : null;
    if (text === null) faults.push(`line ${index + 1}: there is no ${path}`);
    for (const [, title = ''] of quoted.matchAll(/"([^"]+)"/g)) {
      titles += 1;
      if (text !== null && !text.includes(title)) faults.push(`line ${index + 1}: ${path} has no "${title}"`);
    }
  }
}
if (titles === 0) faults.push('it names no test at all');
for (const fault of faults) console.error(`${DOCUMENT}, ${fault}`);
if (faults.length > 0) process.exit(1);
console.log(`promises: all ${titles} titles are in the tests`);
