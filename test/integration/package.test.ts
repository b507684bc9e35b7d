/** What `make package` puts together, on a Debian that has nothing of what it was made with. */
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { COMMANDS } from '../../packages/cli/src/commands.ts';
import { CHECKOUT, PREPARED } from '../support/banger-home.ts';

const TREE = join(CHECKOUT, 'build/package');
/** Of what the package depends on, all that its own programs are linked with and the smallest Debian does not have */
const LINKED_WITH = '/usr/lib/x86_64-linux-gnu/libatomic.so.1';

test('what the package brings works on a Debian without a checkout, Node, npm or cargo', async (t) => {
  execFileSync(join(CHECKOUT, 'scripts/make-package'), ['tree']);
  const { say, folder } = await openDebian();
  t.after(() => rm(folder, { recursive: true }));

  await t.test('what the tests of the command ask of it, the packaged one does', async () => {
    const underTest = join(TREE, 'usr/bin/banger');
    // With that variable Node takes the tests for its own, and runs none.
    const env = { ...process.env, NODE_TEST_CONTEXT: undefined, BANGER_UNDER_TEST: underTest };
    const files = ['edges', 'command', 'snapshots'].map((name) => `packages/cli/src/${name}.test.ts`);
    const { status, stdout } = spawnSync(process.execPath, ['--test', ...files], {
      cwd: CHECKOUT,
      env,
      encoding: 'utf8',
    });
    assert.equal(status, 0, stdout.slice(stdout.lastIndexOf('failing tests')));
  });

  await t.test('nothing else of it is in there', async () => {
    assert.equal(await say('command -v node npm cargo bun git make || echo none'), 'none\n');
    assert.equal(await say(`ls -d ${CHECKOUT} 2>/dev/null || echo none`), 'none\n');
  });

  await t.test('the command starts, from any folder', async () => {
    assert.equal(await say('cd /var && banger version && sh -c "exec banger version"'), 'banger 0.1.0\n'.repeat(2));
  });

  await t.test('the doctor runs, and finds the programs of the package', async () => {
    const { checks } = JSON.parse(await say('banger doctor --json || [ $? = 69 ]'));
    const said = checks.map(({ name, status }: Record<string, string>) => `${name} ${status}`);
    assert.ok(said.includes('agent build pass'), said.join(', '));
  });

  await t.test('the daemon runs, on the Node that came along', async () => {
    const script =
      'banger daemon start >/dev/null && readlink /proc/$(pidof node)/exe && banger vm ls --json && banger daemon stop';
    assert.equal(
      await say(script),
      '/usr/lib/banger/node_modules/node/bin/node\n{\n  "vms": []\n}\nThe daemon is stopped.\n',
    );
  });

  await t.test('its sources have no types in them that Node would have to take out at each start', () => {
    const paths = globSync('usr/lib/banger/packages/**/*.ts', { cwd: TREE });
    assert.ok(paths.length > 200, `${paths.length} sources`);
    for (const path of paths) {
      const text = readFileSync(join(TREE, path), 'utf8');
      assert.equal(text, stripTypeScriptTypes(text), path);
    }
    assert.doesNotMatch(
      readFileSync(join(TREE, 'usr/lib/banger/packages/cli/src/find-sources.cts'), 'utf8'),
      /-typescript/,
    );
  });

  await t.test('variables for the runtime of the command are not obeyed', async () => {
    for (const word of ['BUN_BE_BUN=1', 'BUN_OPTIONS=--version', 'BUN_INSPECT=127.0.0.1:0', 'NODE_OPTIONS=--inspect'])
      assert.equal(await say(`${word} banger version`), 'banger 0.1.0\n', word);
  });

  await t.test('no file of the working folder or the home changes how it works', async () => {
    const script = `mkdir -p /tmp/repo/node_modules/evil && cd /tmp/repo
      echo 'require("fs").writeFileSync("/tmp/ran", "")' | tee evil.ts node_modules/evil/index.js >/dev/null
      printf '#!/bin/sh\\ntouch /tmp/ran\\n' >readlink && chmod +x readlink
      echo 'preload = ["/tmp/repo/evil.ts"]' | tee bunfig.toml /root/.bunfig.toml >/dev/null
      echo 'HOME=/x' | tee .env .env.local .env.production >/dev/null
      echo '{"compilerOptions":{"paths":{"*":["./evil.ts"]}}}' >tsconfig.json
      echo '{"main":"evil.ts","imports":{"#*":"./evil.ts"},"workspaces":["."]}' >package.json
      ln -s /usr/bin/banger /tmp/link && export PATH=/tmp/repo:$PATH
      banger config path && /tmp/link config path && ls /tmp && rm /root/.bunfig.toml`;
    const path = '/root/.config/banger/config.toml\n';
    assert.equal(await say(script), `${path}${path}link\nrepo\n`);
  });

  await t.test('as many words as the kernel takes are taken', async () => {
    const script = 'banger vm exec nobody-such -- echo $(seq 100000 180000) 2>&1 | grep -o VM_NOT_FOUND';
    assert.equal(await say(`${script}; banger daemon stop >/dev/null`), 'VM_NOT_FOUND\n');
  });

  await t.test('a processor that the command cannot run on is told, rather than met', async () => {
    const processors = join(folder, 'etc/cpuinfo');
    await writeFile(processors, 'processor\t: 0\nflags\t\t: fpu sse2 sse4_1\n\n');
    const started = say('banger version 2>&1', ['--ro-bind', processors, '/proc/cpuinfo']);
    await assert.rejects(started, { code: 69, stdout: /SSE4\.2/ });
  });

  await t.test('where the system can only be read an install says that', async () => {
    const script = 'mkdir -p /run/systemd/system; banger system install --owner nobody 2>&1; ls -d /etc/banger';
    const install = say(script, ['--ro-bind', join(folder, 'etc'), '/etc']);
    await assert.rejects(install, { stdout: /could not be installed: .*read.*\(INSTALL_FAILED\)/ });
  });

  await t.test('shells complete it', async () => {
    for (const [shell, path] of [
      ['bash', 'bash-completion/completions/banger'],
      ['zsh', 'zsh/vendor-completions/_banger'],
      ['fish', 'fish/vendor_completions.d/banger.fish'],
    ])
      assert.equal(await say(`banger completion ${shell} | cmp - /usr/share/${path} && echo same`), 'same\n');
  });

  await t.test('there is a man page for each command', async () => {
    const folder = join(TREE, 'usr/share/man/man1');
    assert.equal(readdirSync(folder).length, Object.keys(COMMANDS).length + 1);
    const page = gunzipSync(readFileSync(join(folder, 'banger-vm-run.1.gz'))).toString();
    assert.match(page, /^\.TH BANGER-VM-RUN 1/);
  });
});

/** The default image as a root filesystem, with the package's files in it and nothing else of this host's. */
async function openDebian() {
  const folder = await mkdtemp(join(tmpdir(), 'banger-package-'));
  const [image] = globSync(join(PREPARED, 'data/banger/images/*/base.squashfs'));
  const unpack = 'sqfs2tar "$1" | tar --extract --no-same-owner --exclude="./dev/*" --exclude="dev/*" --directory="$2"';
  execFileSync('sh', ['-c', unpack, '-', String(image), folder], { stdio: ['ignore', 'ignore', 'inherit'] });
  execFileSync('cp', ['--recursive', '--no-dereference', `${TREE}/usr`, folder]);
  const walls = [
    ...['--unshare-all', '--die-with-parent', '--uid', '0', '--gid', '0', '--bind', folder, '/'],
    ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '--ro-bind', LINKED_WITH, LINKED_WITH],
    ...['--clearenv', '--setenv', 'PATH', '/usr/bin:/bin', '--setenv', 'HOME', '/root', '--chdir', '/'],
  ];
  const say = async (script: string, more: string[] = []) =>
    (await promisify(execFile)('bwrap', [...walls, ...more, 'sh', '-ec', script])).stdout;
  return { say, folder };
}
