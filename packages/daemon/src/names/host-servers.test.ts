import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHostServers } from './host-servers.ts';

test('the servers of a host are those of its resolv.conf, or its own', () => {
  assert.deepEqual(parseHostServers('# made by hand\nsearch a.example\nnameserver 127.0.0.53 \noptions edns0\n'), [
    '127.0.0.53',
  ]);
  assert.deepEqual(parseHostServers(' nameserver  fe80::1%eth0\nnameserver 192.0.2.1'), ['fe80::1%eth0', '192.0.2.1']);
  for (const text of ['', 'nameserver', 'nameserver example.org', '#nameserver 192.0.2.1', 'nameservers 192.0.2.1']) {
    assert.deepEqual(parseHostServers(text), ['127.0.0.1'], text);
  }
  const many = [1, 2, 3, 4].map((number) => `192.0.2.${number}`);
  assert.deepEqual(parseHostServers(many.map((server) => `nameserver ${server}`).join('\n')), many.slice(0, 3));
});
