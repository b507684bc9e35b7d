import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseGuestPath } from './guest-path.ts';

test('a folder of its own is taken, without slashes at the end', () => {
  assert.equal(parseGuestPath('/root/project/'), '/root/project');
  assert.equal(parseGuestPath('/srv'), '/srv');
});

test('folders of the system, and paths that are none, are refused', () => {
  for (const path of ['/', '//', '/etc', '/root', 'a', '/a/../b', '/a//b', '/a/./b', '/a\nb', '']) {
    assert.throws(() => parseGuestPath(path), { code: 'BAD_REQUEST' }, path);
  }
});
