import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDependency, parseUri } from './fetch-kernel.ts';

test('a meta-package leads to the kernel that it depends on', () => {
  const shown =
    'Package: linux-image-cloud-amd64\nVersion: 6.1.192-2\nDepends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2)\n';
  assert.deepEqual(parseDependency(shown), { name: 'linux-image-6.1.0-56-cloud-amd64', version: '6.1.192-2' });
});

test('a package that is a kernel itself is taken as it is', () => {
  const shown = 'Package: linux-image-6.12.1-cloud-amd64\nVersion: 6.12.1-1\nDepends: kmod, linux-base (>= 4.3~)\n';
  assert.deepEqual(parseDependency(shown), { name: 'linux-image-6.12.1-cloud-amd64', version: '6.12.1-1' });
  assert.equal(parseDependency('Package: hello\nVersion: 1\n'), null);
});

test('the hash that apt gives is what a cached package is held to', () => {
  const sha256 = 'a'.repeat(64);
  const line = `'http://mirror.example/pool/l/linux-image_1_amd64.deb' linux-image_1_amd64.deb 26713492 SHA256:${sha256}\n`;
  assert.deepEqual(parseUri(line), { fileName: 'linux-image_1_amd64.deb', sha256 });
  assert.equal(parseUri(line.replace('SHA256', 'MD5Sum'))?.sha256, null);
  assert.equal(parseUri('E: no'), null);
});
