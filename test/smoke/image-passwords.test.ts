/** Story: the host's packages come from a mirror with a password, through a proxy with another, and neither is kept. */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CHECKOUT, createHome } from '../support/banger-home.ts';
import { findPackageSource } from '../support/package-source.ts';
import { startPasswordProxy } from '../support/password-proxy.ts';

const MIRROR_PASSWORD = 'canary-of-the-mirror';
const PROXY_PASSWORD = 'canary-of-the-proxy';
const CANARY = /canary-of-the-(?:mirror|proxy)/;

// In a mount namespace of its own the host's apt has another configuration and no lists, and the image few packages: the
// whole default image is made for every other test.
const IN_ANOTHER_APT = `
mount --bind "$1/apt" /etc/apt
mount --bind "$1/lists" /var/lib/apt/lists
mount --bind "$1/images.json" "$2/catalog/images.json"
apt-get update -q
exec "$2/bin/banger" image pull --force debian
`;

test("the host's passwords for packages are in no image", async (t) => {
  if (spawnSync('unshare', ['--mount', 'true']).status !== 0) return t.skip('this host lacks the ability: mount');
  const home = await createHome(t);
  const { uri, release } = findPackageSource();
  using proxy = await startPasswordProxy({ proxy: PROXY_PASSWORD, mirror: MIRROR_PASSWORD, source: uri });
  writeAptConfig(home.folder, proxy.port, `http://me:${MIRROR_PASSWORD}@mirror.invalid${uri.pathname} ${release} main`);

  const debian = { name: 'debian', description: '', recipe: { is: 'mmdebstrap', packages: ['ca-certificates'] } };
  writeFileSync(join(home.folder, 'images.json'), JSON.stringify({ images: [debian] }));

  const { env } = home;
  const others = new Set(readdirSync('/proc'));
  const pull = spawn('unshare', ['--mount', 'sh', '-euc', IN_ANOTHER_APT, 'sh', home.folder, CHECKOUT], {
    env: { ...env, PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said: Buffer[] = [];
  for (const stream of [pull.stdout, pull.stderr]) stream.on('data', (chunk: Buffer) => said.push(chunk));
  const seen = new Set<string>();
  const looking = setInterval(() => {
    for (const argv of argumentsOfNew(others)) if (CANARY.test(argv)) seen.add(argv);
  }, 20);
  const [code] = await once(pull, 'exit');
  clearInterval(looking);
  const output = `${Buffer.concat(said)}`;

  await t.test('the image is made, with both passwords asked for', () => {
    assert.equal(code, 0, output);
    assert.ok(proxy.served > 10, `${proxy.served} requests came with both passwords`);
  });

  await t.test('no argument of a program, no word and no log had one', () => {
    assert.deepEqual([...seen], []);
    assert.doesNotMatch(output, CANARY);
  });

  await t.test('neither the image nor the state has one', async () => {
    const [image = ''] =
      (await home.json<{ digest: string }>(['image', 'show', 'debian'])).digest.match(/[0-9a-f]{64}/) ?? [];
    const root = join(home.folder, 'unpacked');
    mkdirSync(root);
    const base = join(home.paths.data, 'images', image, 'base.squashfs');
    execFileSync('rdsquashfs', ['--quiet', '--unpack-path', '/', '--unpack-root', root, base]);
    assert.match(readFileSync(join(root, 'etc/apt/sources.list'), 'utf8'), /http:\/\/mirror\.invalid\//);
    rmSync(join(home.folder, 'apt'), { recursive: true });
    rmSync(join(home.folder, 'lists'), { recursive: true });
    const found = spawnSync('grep', ['-rlE', CANARY.source.replace('?:', ''), home.folder], { encoding: 'utf8' });
    assert.equal(found.stdout, '');
    assert.equal(found.status, 1, 'grep looked at all of it');
  });
});

/** `/etc/apt` with one source and one proxy, and no lists. */
function writeAptConfig(folder: string, port: number, source: string): void {
  const apt = join(folder, 'apt');
  cpSync('/etc/apt', apt, { recursive: true });
  rmSync(join(apt, 'sources.list'), { force: true });
  rmSync(join(apt, 'sources.list.d'), { recursive: true, force: true });
  writeFileSync(
    join(apt, 'sources.list'),
    `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${source}\n`,
  );
  writeFileSync(
    join(apt, 'apt.conf.d/99proxy'),
    `Acquire::http::Proxy "http://me:${PROXY_PASSWORD}@127.0.0.1:${port}";\n`,
  );
  mkdirSync(join(folder, 'lists/partial'), { recursive: true });
}

/** Of the programs that run now, but for those that ran before; a number that has become free is nobody's. */
function argumentsOfNew(others: Set<string>): string[] {
  const pids = readdirSync('/proc');
  for (const gone of others.difference(new Set(pids))) others.delete(gone);
  return pids.flatMap((pid) => {
    if (others.has(pid) || !/^\d+$/.test(pid)) return [];
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
    } catch {
      return []; // it ended
    }
  });
}
