import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseSearchDomains, readSearchDomains } from './search-domains.ts';

test('names are completed as on the host: the last list counts, and what is no domain does not', () => {
  assert.deepEqual(parseSearchDomains('nameserver 192.0.2.1\n'), []);
  assert.deepEqual(parseSearchDomains('search a.lan\n# search b\nsearch corp.example lan . $x\n'), [
    'corp.example',
    'lan',
  ]);
  assert.deepEqual(parseSearchDomains('domain home.arpa\n'), ['home.arpa']);
});

test('a host whose list is missing, or is no file, completes nothing, and holds up no start', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banger-search-'));
  t.after(() => rmSync(folder, { recursive: true }));
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  for (const path of ['/dev/zero', folder, join(folder, 'pipe'), join(folder, 'missing')]) {
    assert.deepEqual(await readSearchDomains(path), [], path);
  }
});

test('a list without end is cut', () => {
  assert.equal(parseSearchDomains(`search ${'a.example '.repeat(20)}`).length, 6);
  assert.deepEqual(parseSearchDomains(`search short ${'x'.repeat(300)} lan`), ['short']);
});
