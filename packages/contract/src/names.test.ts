import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isVmId, parseCatalogName, parseVmName, vmHost, vmOfHost } from './names.ts';

test("a vm's name is a DNS label", () => {
  for (const name of ['a', 'web', 'web-1', '0a', 'x'.repeat(63)]) assert.equal(parseVmName(name), name);
  for (const name of ['', 'Web', 'web.vm', '-a', 'a-', 'a_b', 'ä', 'a b', '../x', 'x'.repeat(64), 'a\n']) {
    assert.throws(() => parseVmName(name), { code: 'BAD_NAME' }, name);
  }
});

test('a name cannot look like an id', () => {
  assert.ok(isVmId('0123456789ab'));
  assert.throws(() => parseVmName('0123456789ab'), { code: 'BAD_NAME' });
});

test("an image's name cannot leave its folder", () => {
  assert.equal(parseCatalogName('debian-12.1_x'), 'debian-12.1_x');
  for (const name of ['', '.', '..', 'a..b', 'a/b', '.a', 'a.', 'x'.repeat(101)]) {
    assert.throws(() => parseCatalogName(name), { code: 'BAD_NAME' }, name);
  }
});

test('a vm has a host name, and is found by it', () => {
  assert.equal(vmHost('web'), 'web.vm');
  assert.deepEqual([vmOfHost('web.vm'), vmOfHost('web')], ['web', 'web']);
});
