import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseSuite, parseIndexes, toSourceLines } from './debian-sources.ts';

const HOST = `
Debian|bookworm|http://mirror.example/debian/|main
Debian|bookworm|http://mirror.example/debian/|contrib
Debian|bookworm-updates|http://mirror.example/debian/|main
Debian|bookworm-security|http://mirror.example/debian-security/|main
|nodistro|https://other.example/node_20.x/|main
Docker|bookworm|https://docker.example/linux/debian/|stable
`;

test("the image uses the host's Debian archives and no others", () => {
  const indexes = parseIndexes(HOST);
  assert.equal(chooseSuite(indexes), 'bookworm');
  assert.deepEqual(
    toSourceLines(indexes, () => null),
    [
      'deb http://mirror.example/debian bookworm main contrib',
      'deb http://mirror.example/debian bookworm-updates main',
      'deb http://mirror.example/debian-security bookworm-security main',
    ],
  );
});

test('a list of mirrors on the host becomes its first mirror', () => {
  const indexes = parseIndexes('Debian|trixie|mirror+file:///etc/apt/mirrors/debian.list/|main\n');
  const asked: string[] = [];
  const lines = toSourceLines(indexes, (path) => {
    asked.push(path);
    return 'https://first.example/debian';
  });
  assert.deepEqual(asked, ['/etc/apt/mirrors/debian.list']);
  assert.deepEqual(lines, ['deb https://first.example/debian trixie main']);
});

test('a host without lists has no release', () => {
  assert.equal(chooseSuite(parseIndexes('')), null);
});
