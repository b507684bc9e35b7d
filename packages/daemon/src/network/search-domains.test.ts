import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSearchDomains } from './search-domains.ts';

test('names are completed as on the host: the last list counts, and what is no domain does not', () => {
  assert.deepEqual(parseSearchDomains('nameserver 192.0.2.1\n'), []);
  assert.deepEqual(parseSearchDomains('search a.lan\n# search b\nsearch corp.example lan . $x\n'), [
    'corp.example',
    'lan',
  ]);
  assert.deepEqual(parseSearchDomains('domain home.arpa\n'), ['home.arpa']);
});

test('a list without end is cut', () => {
  assert.equal(parseSearchDomains(`search ${'a.example '.repeat(20)}`).length, 6);
  assert.deepEqual(parseSearchDomains(`search short ${'x'.repeat(300)} lan`), ['short']);
});
