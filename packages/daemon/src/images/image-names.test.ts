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
const { meantBy, isHere, refOf } = createImageNames({
  records: { list: () => ROWS, find: (name) => ROWS.find((each) => each.name === name) ?? null },
  catalog: [{ name: 'debian' }],
});

const cases: [typed: string, meant: string, isAsked: boolean, isHere: boolean][] = [
  ['alpine', 'alpine', false, true],
  ['alpine:latest', 'alpine:latest', true, true],
  ['docker.io/alpine', 'alpine:latest', true, true],
  ['docker.io/library/python:3', 'python:3', true, true],
  ['python', 'python:latest', true, false],
  ['debian', 'debian', false, false],
  ['debian:latest', 'debian:latest', true, false],
  ['deadbeef', 'deadbeef', false, true],
  ['deadbee0', 'deadbee0:latest', true, false],
  ['sha256:deadbeef', 'sha256:deadbeef', false, true],
  ['sha256:00000000', 'sha256:00000000', false, false],
  ['MyBox', 'MyBox', false, false],
];
for (const [typed, meant, isAsked, here] of cases) {
  test(`"${typed}" means "${meant}"`, () => {
    assert.deepEqual([meantBy(typed), refOf(meant) !== null, isHere(meant)], [meant, isAsked, here]);
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
