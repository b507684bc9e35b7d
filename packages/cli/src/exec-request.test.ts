import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ExecFlags, planExec } from './exec-request.ts';

const flags: ExecFlags = {
  env: [],
  cwd: undefined,
  user: undefined,
  tty: false,
  'no-tty': false,
  detach: false,
  entrypoint: false,
};
const onTerminal = {
  isStdinTty: true,
  isStdoutTty: true,
  isStderrTty: true,
  isLive: true,
  isStdoutLive: true,
  hasColour: true,
};
const inPipe = {
  isStdinTty: false,
  isStdoutTty: false,
  isStderrTty: false,
  isLive: false,
  isStdoutLive: false,
  hasColour: false,
};
const env = { TERM: 'xterm', COLORTERM: 'truecolor', LANG: 'de_DE.UTF-8', SECRET: 's' };
const size = () => ({ cols: 100, rows: 30 });
const plan = (over: Partial<ExecFlags>, command: string[] | null, terminal = onTerminal) =>
  planExec({ command, flags: { ...flags, ...over }, terminal, env, size });

test('a shell on a terminal gets a terminal of that size and type, and nothing else of the environment', () => {
  const { argv, tty, env: sent } = plan({}, null);
  assert.deepEqual([argv, tty, sent], [[], size(), { TERM: 'xterm', COLORTERM: 'truecolor' }]);
});

test('a shell in a pipe, and a command, get none unless it is asked for', () => {
  assert.equal(plan({}, null, inPipe).tty, null);
  assert.deepEqual(plan({}, ['ls']).env, {});
  assert.equal(plan({}, ['ls']).tty, null);
  assert.deepEqual(plan({ tty: true }, ['top'], inPipe).tty, size());
  assert.equal(plan({ 'no-tty': true }, null).tty, null);
  assert.throws(() => plan({ tty: true, 'no-tty': true }, null), { code: 'USAGE' });
});

test('a variable is set, or passed on by its name when there is one', () => {
  assert.deepEqual(plan({ env: ['A=b=c', 'E=', 'SECRET', 'NONE'] }, ['env']).env, { A: 'b=c', E: '', SECRET: 's' });
  assert.throws(() => plan({ env: ['=x'] }, ['env']), { code: 'USAGE' });
  assert.throws(() => plan({ env: ['NODE_OPTIONS'] }, ['env']), { hint: 'Write --env NODE_OPTIONS="$NODE_OPTIONS".' });
});

test('what the image says counts, and it is run where a vm begins without a command, or when it is asked for', () => {
  const of = (over: Partial<ExecFlags>, command: string[] | null, isFirst: boolean) =>
    planExec({ command, isFirst, flags: { ...flags, ...over }, terminal: onTerminal, env, size });
  assert.deepEqual([of({}, null, true).image, of({}, null, false).image], ['command', 'defaults']);
  assert.deepEqual([of({}, ['ls'], true).image, of({}, ['ls'], false).image], ['defaults', 'defaults']);
  const entrypoint = { entrypoint: true };
  assert.deepEqual([of(entrypoint, ['ls'], true).image, of(entrypoint, null, false).image], ['command', 'command']);
  assert.deepEqual(of({}, null, true).tty, size(), 'it may be a shell');
  const unseen = of({ detach: true }, null, true);
  assert.deepEqual([unseen.tty, unseen.stdin, unseen.keep], [null, false, true], 'a service that nobody looks at');
});

test('a detached command keeps its session and reads nothing', () => {
  const { keep, stdin } = plan({ detach: true }, ['make']);
  assert.deepEqual([keep, stdin], [true, false]);
});
