/** Settings of the host in every vm that starts, where the config asks for them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigShown } from '@banger/contract/api/config.ts';
import type { Vm } from '@banger/contract/api/vms.ts';
import { createFakeHome } from '../support/fake-home.ts';

const PROXY = 'http://mia:canary-word@proxy.example:3128';

test('the proxies of the host come in when the config says so, are said, and go again', async (t) => {
  const home = await createFakeHome(t, { HTTP_PROXY: PROXY, https_proxy: 'http://localhost:3129' });
  const environment = async () =>
    (await home.run(['vm', 'exec', 'web', '--', 'sh', '-c', 'cat ../etc/environment'])).stdout;
  await home.json(['vm', 'create', '--name', 'web', '--start']);
  assert.equal(await environment(), '', 'nobody asked for them');

  await home.writeConfig('[inside]\nproxy = true\n[network]\nhost_ports = [3129]\n');
  const started = await home.run(['vm', 'restart', 'web']);
  assert.equal(started.code, 0, started.stderr);
  const lines = await environment();
  assert.match(lines, new RegExp(`^http_proxy=${PROXY}\nHTTP_PROXY=${PROXY}$`.replace('\n', '\n.*\n'), 'm'));
  assert.match(lines, /^https_proxy=http:\/\/host\.banger:3129$/m);
  assert.match(lines, /^no_proxy=localhost,127\.0\.0\.1,::1,host\.banger$/m);
  assert.deepEqual((await home.json<Vm>(['vm', 'show', 'web'])).fromHost, ['proxy']);
  assert.match((await home.run(['vm', 'show', 'web'])).stdout, /from host: +proxy at each start/);
  const { insideProxy, insideTimeZone } = await home.json<ConfigShown>(['config', 'show']);
  assert.deepEqual([insideProxy.value, insideTimeZone.value], [true, false]);

  await home.writeConfig('[inside]\nproxy = true\n');
  const { stderr } = await home.run(['vm', 'restart', 'web']);
  assert.match(stderr, /https_proxy names this host's loopback.*host_ports = \[3129\]/);
  assert.doesNotMatch(await environment(), /https_proxy/);
  assert.doesNotMatch(started.stderr + stderr, /canary-word/);

  await home.writeConfig('[inside]\nproxy = "yes"\n');
  assert.match((await home.run(['vm', 'restart', 'web'])).stderr, /line 2: \[inside\] proxy: it must be true or false/);
  assert.deepEqual((await home.json<Vm>(['vm', 'show', 'web'])).fromHost, [], 'looking goes on');
  await home.writeConfig('[inside]\nproxy = false\n');
  await home.json(['vm', 'start', 'web']);
  assert.equal(await environment(), '');
});
