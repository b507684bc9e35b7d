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
  assert.deepEqual(toSourceLines(indexes, () => null).lines, [
    'deb http://mirror.example/debian bookworm main contrib',
    'deb http://mirror.example/debian bookworm-updates main',
    'deb http://mirror.example/debian-security bookworm-security main',
  ]);
});

test('a list of mirrors on the host becomes its first mirror', () => {
  const indexes = parseIndexes('Debian|trixie|mirror+file:///etc/apt/mirrors/debian.list/|main\n');
  const asked: string[] = [];
  const { lines } = toSourceLines(indexes, (path) => {
    asked.push(path);
    return 'https://first.example/debian';
  });
  assert.deepEqual(asked, ['/etc/apt/mirrors/debian.list']);
  assert.deepEqual(lines, ['deb https://first.example/debian trixie main']);
});

test('a password in a source or in a list of mirrors is no part of the lines', () => {
  const indexes = parseIndexes(`
Debian|trixie|http://me:s3cret@mirror.example/debian/|main
Debian|trixie-updates|http://me:s3cret@mirror.example/debian/|main
Debian|trixie-security|mirror+file:///etc/apt/mirrors/security.list|main
`);
  assert.deepEqual(
    toSourceLines(indexes, () => 'https://me:other@second.example/debian-security'),
    {
      lines: [
        'deb http://mirror.example/debian trixie main',
        'deb http://mirror.example/debian trixie-updates main',
        'deb https://second.example/debian-security trixie-security main',
      ],
      authLines: [
        'machine http://mirror.example/debian/ login me password s3cret',
        'machine https://second.example/debian-security login me password other',
      ],
    },
  );
});

test('a host without lists has no release', () => {
  assert.equal(chooseSuite(parseIndexes('')), null);
});
