/** Story: an image of one static program, without a shell, a folder or a user, runs that, and says what it lacks. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import type { StopResult } from '@banger/contract/api/vms.ts';
import { tarEnd } from '@banger/contract/tar/tar-block.ts';
import { writeLayout } from '../../packages/daemon/src/images/oci/sample-layout.ts';
import { createHome } from '../support/banger-home.ts';
import { fileEntry, readBusybox } from '../support/busybox-image.ts';
import { createRepository } from '../support/sample-repository.ts';
import { watchOutput } from '../support/watch-output.ts';

/** Ends only by the image's signal, and then says so on its disk */
const SERVE = 'trap "echo $MODE >/stopped; exit" QUIT; trap "" TERM; echo ready; while :; do /busybox sleep 0.1; done';
const CONFIG = {
  ...{ Env: ['MODE=image'], StopSignal: 'SIGQUIT' },
  ...{ Entrypoint: ['/busybox', 'sh', '-c'], Cmd: [SERVE] },
};

test('an image of one program', async (t) => {
  const home = await createHome(t);
  const program = Buffer.concat([fileEntry('busybox', await readBusybox()), tarEnd()]);
  const bring = async (name: string, config: object) => {
    const layout = join(home.folder, name);
    writeLayout(layout, [{ layers: [program], config }]);
    execFileSync('tar', ['-C', layout, '-cf', `${layout}.tar`, '.']);
    await home.json(['image', 'import', name, `${layout}.tar`]);
  };
  await bring('one', CONFIG);
  await bring('plain', {});
  const small = ['--memory', '128M', '--disk-size', '256M'];
  await home.json(['vm', 'create', '--name', 'one', '--image', 'one', ...small, '--start']);
  const run = async (words: string[], flags: string[] = []) =>
    (await home.run(['vm', 'exec', ...flags, 'one', '--', '/busybox', ...words])).stdout;

  await t.test('it has what programs count on, and the variables of its image', async () => {
    const listed = await run(['ls', '-ld', '/etc', '/proc', '/dev', '/sys', '/run', '/root']);
    assert.equal(listed.match(/^d/gm)?.length, 6, listed);
    assert.match(await run(['ls', '-ld', '/tmp']), /^drwxrwxrwt /);
    assert.match(await run(['env']), /^MODE=image$/m);
    assert.equal(await run(['id', '-u']), '0\n');
    assert.match(await run(['id'], ['--user', '1234:5']), /uid=1234 gid=5 groups=5/);
  });

  await t.test('what it lacks is named, with what to do', async () => {
    for (const args of [['bash'], ['sh', '-c', 'true']]) {
      const { code, stderr } = await home.run(['vm', 'exec', 'one', '--', ...args]);
      assert.equal(code, 127);
      assert.match(
        stderr,
        /no command "\w+": there is no \/bin\/sh in this image \(COMMAND_NOT_FOUND\)\n {2}hint: .*after "--"/,
      );
    }
    const shell = await home.run(['vm', 'run', '--rm', '--image', 'plain', ...small]);
    assert.equal(shell.code, 127);
    assert.match(shell.stderr, /there is no \/bin\/sh in this image \(COMMAND_NOT_FOUND\)\n {2}hint: .*after "--"/);
    assert.match(
      (await home.run(['vm', 'exec', '-u', 'mia', 'one', '--', '/busybox'])).stderr,
      /no user "mia".*USER_NOT_FOUND/,
    );
    const { path: repo } = createRepository(join(home.folder, 'project'));
    const workspace = await home.run(['vm', 'workspace', 'import', 'one', repo]);
    assert.match(workspace.stderr, /The image has no shell[\s\S]*WORKSPACE_FAILED/);
  });

  await t.test('its command runs by itself, and gets its signal when the machine is stopped', async () => {
    const output = watchOutput(home.start(['vm', 'exec', '--entrypoint', 'one']));
    await output.until('ready');
    const { results } = await home.json<{ results: { result: StopResult }[] }>(['vm', 'stop', 'one']);
    assert.equal(results[0]?.result.how, 'shut-down');
    await output.ended();
    await home.json(['vm', 'start', 'one']);
    assert.equal(await run(['cat', '/stopped']), 'image\n');
  });

  await t.test('an agent that is killed comes back with what it was told of the image', async () => {
    const killed = await home.run(['vm', 'exec', 'one', '--', '/busybox', 'kill', '-9', '-1']);
    assert.equal(killed.code, 70);
    assert.match(await run(['env']), /^MODE=image$/m);
  });
});
