import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOfHex } from '@banger/contract/digest.ts';
import type { ImageRecord } from '../store/records/images.ts';
import { createImageNames, describeSource } from './image-names.ts';

const row = (name: string, source: ImageRecord['source'], hex: string, ref?: string): ImageRecord => ({
  ...{ name, source, digest: digestOfHex(hex.repeat(8)) as ImageRecord['digest'], sizeBytes: 1, config: null },
  createdAt: '2026-01-01T00:00:00.000Z',
  pulled: ref ? { ref, manifestDigest: digestOfHex('f'.repeat(64)) as ImageRecord['digest'] } : null,
});
const ROWS = [
  row('alpine', 'import', 'aaaaaaa1'),
  row('alpine:latest', 'registry', 'aaaaaaa2', 'docker.io/library/alpine:latest'),
  row('python:3', 'registry', 'deadbeef', 'docker.io/library/python:3'),
];
const { meantBy, isHere, sourceOf } = createImageNames({
  records: { list: () => ROWS, find: (name) => ROWS.find((each) => each.name === name) ?? null },
  catalog: [{ name: 'debian' }],
});

const cases: [typed: string, meant: string, source: string, isHere: boolean][] = [
  ['alpine', 'alpine', 'import', true],
  ['alpine:latest', 'alpine:latest', 'registry', true],
  ['docker.io/alpine', 'alpine:latest', 'registry', true],
  ['docker.io/library/python:3', 'python:3', 'registry', true],
  ['python', 'python:latest', 'registry', false],
  ['debian', 'debian', 'catalog', false],
  ['debian:latest', 'debian:latest', 'registry', false],
  ['deadbeef', 'deadbeef', 'registry', true],
  ['deadbee0', 'deadbee0:latest', 'registry', false],
  ['sha256:deadbeef', 'sha256:deadbeef', 'registry', true],
  ['sha256:00000000', 'sha256:00000000', 'registry', false],
  ['MyBox', 'MyBox', 'registry', false],
];
for (const [typed, meant, source, here] of cases) {
  test(`"${typed}" means "${meant}"`, () => {
    assert.deepEqual([meantBy(typed), sourceOf(meant), isHere(meant)], [meant, source, here]);
  });
}

test('which one was taken is said', () => {
  assert.deepEqual(ROWS.map(describeSource), [
    'alpine, which was imported here',
    'alpine:latest, from docker.io/library/alpine',
    'python:3, from docker.io/library/python',
  ]);
  assert.equal(describeSource(row('debian', 'catalog', 'aaaaaaa1')), "debian, of banger's catalog");
});
