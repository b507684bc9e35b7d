/** Story: a command in a machine is used in scripts and pipelines as if it were a local one. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { CHECKOUT, createHome } from '../support/banger-home.ts';
import { watchOutput } from '../support/watch-output.ts';

const BIG_BYTES = 8 * 2 ** 20;

test('a command in a machine, in scripts and pipelines', async (t) => {
  const home = await createHome(t);
  await home.json(['vm', 'create', '--name', 'web', '--memory', '384M', '--start']);
  const inside = (...command: string[]) => ['vm', 'exec', 'web', '--', ...command];
  const start = (...command: string[]) => {
    const child = home.start(inside(...command));
    return { child, output: watchOutput(child) };
  };
  /** A line of bash on the host, in which `inside` runs a command in the machine */
  const pipeline = (line: string) => {
    const script = `inside() { ${CHECKOUT}/bin/banger vm exec web -- "$@"; }; ${line}`;
    return watchOutput(spawn('bash', ['-c', script], { env: home.env, stdio: 'pipe' })).ended();
  };
  const untilNoneRuns = (pattern: string) => home.untilOutput(inside('pgrep', '-f', pattern), ({ code }) => code === 1);

  await t.test('any bytes go in and come out, however many', async () => {
    const bytes = randomBytes(BIG_BYTES);
    const hash = createHash('sha256').update(bytes).digest('hex');
    const counted = await home.run(inside('sha256sum'), { stdin: bytes });
    assert.deepEqual([counted.code, counted.stdout], [0, `${hash}  -\n`]);

    const { child, output } = start('cat');
    child.stdin?.end(bytes);
    const { code, stdout, stderr } = await output.ended();
    assert.deepEqual([code, stderr, stdout.length], [0, '', BIG_BYTES]);
    assert.equal(createHash('sha256').update(stdout).digest('hex'), hash);
  });

  await t.test('a command that reads nothing does not wait for its input', async () => {
    assert.equal((await home.run(inside('true'), { stdin: randomBytes(BIG_BYTES) })).code, 0);
    const { output } = start('echo', 'done'); // its stdin stays open
    assert.deepEqual(
      { ...(await output.ended()), stdout: 'done\n' },
      { code: 0, signal: null, stdout: 'done\n', stderr: '' },
    );
  });

  await t.test('a reader that has had enough ends it quietly, on both sides', async () => {
    const { stdout, stderr } = await pipeline('inside yes banger | head -c 1; echo ":$PIPESTATUS"');
    assert.deepEqual([`${stdout}`, stderr], ['b:141\n', '']);
    await untilNoneRuns('yes banger');
  });

  await t.test('a reader that is slow gets everything, and the exit code', async () => {
    const sizes = [100_000, 350_000, 450_000, 800_000];
    const line = (bytes: number) => `inside head -c ${bytes} /dev/zero | (sleep 1; wc -c); echo "$PIPESTATUS"`;
    const outputs = await Promise.all(sizes.map((bytes) => pipeline(line(bytes))));
    assert.deepEqual(
      outputs.map(({ stdout, stderr }) => `${stdout}${stderr}`),
      sizes.map((bytes) => `${bytes}\n0\n`),
    );
  });

  for (const [script, code] of [
    ['exit 0', 0],
    ['exit 1', 1],
    ['exit 255', 255],
    ['kill -KILL $$', 128 + 9],
    ['kill -SEGV $$', 128 + 11],
  ] as const) {
    await t.test(`${script} gives ${code}`, async () => {
      const output = await home.run(inside('sh', '-c', script));
      assert.deepEqual(output, { code, signal: null, stdout: '', stderr: '' });
    });
  }

  await t.test('signals reach it, and it decides what they mean', async () => {
    const names = ['HUP', 'QUIT', 'USR2', 'INT', 'TERM', 'USR1'] as const;
    const traps = names.map((name) => `trap 'echo got ${name}' ${name}`).join('; ');
    // It waits in a read of its own and not for a child, which the signal would reach too.
    const { child, output } = start('sh', '-c', `${traps}; echo ready; while :; do read line; done`);
    await output.until('ready\n');
    for (const name of names) {
      child.kill(`SIG${name}`);
      await output.until(`got ${name}\n`);
    }
    child.kill('SIGKILL');
    assert.equal((await output.ended()).signal, 'SIGKILL');
  });

  await t.test('a signal that it does not catch ends it, and banger with the code for that', async () => {
    const { child, output } = start('sh', '-c', 'echo ready; exec sleep 1357');
    await output.until('ready\n');
    child.kill('SIGTERM');
    const { code, stderr } = await output.ended();
    assert.deepEqual([code, stderr], [128 + 15, '']);
  });

  await t.test('one that does not listen is left with three Ctrl-C, and is gone', async () => {
    const deaf = 'trap "n=\\$((n + 1)); echo heard \\$n" INT; n=0; echo ready; while :; do read line; done';
    const { child, output } = start('sh', '-c', deaf, 'marked-2468');
    await output.until('ready\n');
    // Each press waits for the one before it, as signals that come at once are one signal.
    for (let presses = 1, isHeard = true; isHeard; presses++) {
      child.kill('SIGINT');
      isHeard = await output.until(`heard ${presses}\n`).then(
        () => true,
        () => false,
      );
    }
    assert.equal((await output.ended()).code, 130);
    await untilNoneRuns('marked-2468');
  });

  await t.test('when its client is killed, it and its children are gone', async () => {
    const { child, output } = start('sh', '-c', 'trap "" HUP; sleep 1111 & echo ready; sleep 2222');
    await output.until('ready\n');
    child.kill('SIGKILL');
    await output.ended();
    await untilNoneRuns('sleep (1111|2222)');
  });
});
