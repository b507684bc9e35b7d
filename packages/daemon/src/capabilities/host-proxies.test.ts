import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planProxies } from './host-proxies.ts';

const DIRECT = 'localhost,127.0.0.1,::1,host.banger';

test('a proxy comes in both spellings, and what needs none is named', () => {
  const { variables, notes } = planProxies(
    { HTTPS_PROXY: 'http://mia:s%40cret@proxy.example:3128', no_proxy: '.example, 10.0.0.0/8' },
    [],
  );
  assert.deepEqual(variables, {
    https_proxy: 'http://mia:s%40cret@proxy.example:3128',
    HTTPS_PROXY: 'http://mia:s%40cret@proxy.example:3128',
    no_proxy: `.example,10.0.0.0/8,${DIRECT}`,
    NO_PROXY: `.example,10.0.0.0/8,${DIRECT}`,
  });
  assert.deepEqual(notes, []);
  assert.equal(planProxies({ http_proxy: 'http://proxy:1', no_proxy: '*' }, []).variables.no_proxy, '*');
});

for (const loopback of [
  ...[
    'http://localhost:3128',
    'localhost:3128',
    'http://127.0.0.1:3128/',
    'http://127.1:3128',
    'http://2130706433:3128',
  ],
  ...['http://[::1]:3128', 'http://[::ffff:127.0.0.1]:3128', 'http://proxy.localhost:3128', 'socks5h://localhost:3128'],
]) {
  test(`a proxy on the host's loopback is reached by a port that the config gives, or left out: ${loopback}`, () => {
    const { variables, notes } = planProxies({ http_proxy: loopback }, []);
    assert.deepEqual(variables, {});
    assert.match(notes[0] ?? '', /http_proxy names this host's loopback.*host_ports = \[3128\]/);
    const given = planProxies({ http_proxy: loopback }, [3128]);
    assert.match(given.variables.http_proxy ?? '', /^[a-z0-9]+:\/\/host\.banger:3128$/);
    assert.deepEqual(given.notes, []);
  });
}

for (const odd of [
  'http://a\nLD_PRELOAD=x',
  'http://mia:a#b@proxy',
  'http://"proxy"',
  "http://a'b",
  'http://a\\b',
  'http://',
]) {
  test(`what a line cannot hold is left out and not told: ${JSON.stringify(odd)}`, () => {
    const { variables, notes } = planProxies({ http_proxy: odd }, []);
    assert.deepEqual([variables, notes.length], [{}, 1]);
    assert.ok(!notes[0]?.includes(odd));
  });
}

test('without a proxy nothing is said about those that need none', () => {
  const { variables, notes } = planProxies({ no_proxy: 'localhost' }, []);
  assert.deepEqual(variables, {});
  assert.match(notes[0] ?? '', /without a proxy/);
});
