import assert from 'node:assert/strict';
import posix from 'node:path/posix';
import { test } from 'node:test';
import { basename, dirname, normalize, resolve } from './exact-path.ts';

const PARTS = ['', '/', '.', '..', 'a', 'a\udcff', ' '];

test('paths are what Node says they are, whatever they are made of', () => {
  for (const a of PARTS)
    for (const b of PARTS)
      for (const c of PARTS)
        for (const path of [`${a}/${b}/${c}`, `${a}${b}${c}`, `/${a}/${b}`, `${a}/${b}/`]) {
          assert.equal(normalize(path), posix.normalize(path), JSON.stringify(path));
          assert.equal(basename(path), posix.basename(path), JSON.stringify(path));
          assert.equal(resolve('/from/here', path), posix.resolve('/from/here', path), JSON.stringify(path));
          if (!/^\/\/|\/\/[^/]*$/.test(path)) assert.equal(dirname(path), posix.dirname(path), JSON.stringify(path));
        }
});
