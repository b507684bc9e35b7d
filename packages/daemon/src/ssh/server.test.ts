import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { serverCommand, sshVariables } from './server.ts';

test('a login has the variables of the image that sshd can be told, and its own name and home', () => {
  const env = ['PATH=/opt/bin:/bin', 'WORDS=two words', "QUOTE=it's # one", 'HOME=/srv', 'USER=app', 'EMPTY='];
  assert.equal(sshVariables(env), `"PATH=/opt/bin:/bin" "WORDS=two words" "QUOTE=it's # one" "EMPTY="`);
  for (const wrong of ['A="x"', 'A=x\\', 'A=x\ny', 'a b=c', '1A=b', 'A\0=b', 'none'])
    assert.equal(sshVariables([wrong]), '', wrong);
  const many = Array.from({ length: 4000 }, (_, index) => `V${index}=${'x'.repeat(100)}`);
  assert.ok(Buffer.byteLength(sshVariables(many)) <= 64 * 1024);
});

test('the server gets them in one word, whatever is in them', () => {
  const [shell = '', ...words] = serverCommand('/usr/bin/printf', ['A=$(id) `id` ; x', 'LANG=image']);
  // In the place of sshd, a program that shows its arguments.
  const shown = words.map((word) => (word === '-i' ? '%s\\n' : word));
  const { stdout, status } = spawnSync(shell, shown, { encoding: 'utf8', env: {} });
  const setEnv = stdout.split('\n').find((line) => line.startsWith('SetEnv='));
  assert.equal(status, 0);
  assert.match(String(setEnv), /^SetEnv=LANG=\S+ LC_ALL= .* "A=\$\(id\) `id` ; x" "LANG=image"$/);
});
