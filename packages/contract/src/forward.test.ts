import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress, parseForward, parsePort, parsePublish, portTaken } from './forward.ts';

test('a forward names a port, or both, and may name where to listen', () => {
  const cases: [string, string, number, number][] = [
    ['8080', '127.0.0.1', 8080, 8080],
    ['3000:80', '127.0.0.1', 3000, 80],
    ['0:80', '127.0.0.1', 0, 80],
    ['0.0.0.0:3000:80', '0.0.0.0', 3000, 80],
    ['localhost:8080', 'localhost', 8080, 8080],
    ['[::1]:3000:80', '::1', 3000, 80],
  ];
  for (const [text, host, hostPort, guestPort] of cases) {
    assert.deepEqual(parseForward(text), { host, hostPort, guestPort }, text);
  }
});

test('what is no forward is refused', () => {
  for (const text of [
    '',
    '0',
    'web',
    '80:',
    ':80',
    '1:2:3:4',
    '::1:80',
    '70000',
    '80:0',
    '80:70000',
    '-1',
    '8080/udp',
  ]) {
    assert.throws(() => parseForward(text), { code: 'USAGE' }, text);
  }
  assert.throws(() => parsePort('1e3'), { code: 'USAGE' });
});

test('what is published names its port, and a listener that is refused tells the way out', () => {
  assert.deepEqual(parsePublish('localhost:8080:80'), { host: '127.0.0.1', hostPort: 8080, guestPort: 80 });
  assert.throws(() => parsePublish('0:80'), { code: 'USAGE' });
  const roots = portTaken(parseForward('80'), Object.assign(new Error('refused'), { code: 'EACCES' }));
  assert.equal(roots.message, '127.0.0.1 port 80 cannot be listened on: only root may.');
  assert.match(roots.hint ?? '', /below 1024/);
  assert.equal(formatAddress('::1', 80), '[::1]:80');
});
