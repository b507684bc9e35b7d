import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readQuery, writeQuery } from './query.ts';

test('any text comes back, and any bytes of a path', () => {
  for (const path of ['/a b', '/ünter+&=%2f?#', '/\udcff\udce9x', '/\ufffd', '']) {
    assert.deepEqual(readQuery(writeQuery({ path, tail: 4 })), { path, tail: '4' });
  }
  assert.equal(writeQuery({ path: '/a \udcff', owner: undefined }), 'path=%2Fa%20%FF');
});

test('what browsers and curl write is read the same', () => {
  assert.deepEqual(readQuery('a=x+y&b=%c3%A9&c&d=100%&d=2'), { a: 'x y', b: 'é', c: '', d: '2' });
  assert.deepEqual(readQuery(''), {});
});
