import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseArguments, readReportStyle } from './parse-arguments.ts';

const parse = (line: string) => parseArguments(line.split(' ').filter(Boolean));
const inputOf = (line: string) => {
  const parsed = parse(line);
  assert.equal(parsed.is, 'command');
  return (parsed as Extract<typeof parsed, { is: 'command' }>).input;
};
const refuses = (line: string, expected: { code?: string; message?: RegExp; hint?: RegExp }) =>
  assert.throws(() => parse(line), { code: 'USAGE', ...expected });

test('flags become values in the units of the API', () => {
  const { flags } = inputOf('vm create --name web --cpus=2 --memory 2G --disk-size 1.5T');
  assert.equal(flags.name, 'web');
  assert.equal(flags.cpus, 2);
  assert.equal(flags.memory, 2 * 2 ** 30);
  assert.equal(flags['disk-size'], 1.5 * 2 ** 40);
  assert.equal(inputOf('vm stop web --timeout 2m').flags.timeout, 120_000);
  assert.equal(inputOf('vm stop web --timeout 0').flags.timeout, 0);
  assert.equal(inputOf('vm logs -n 20 -f web').flags.tail, 20);
});

test('what is not given is undefined, false or an empty list', () => {
  const { flags, command } = inputOf('vm run');
  assert.deepEqual([flags.name, flags.rm, flags.env, command], [undefined, false, [], null]);
});

test('everything after -- is for the guest, as it is', () => {
  const { command, flags, arguments: given } = inputOf('vm exec -e A=1 -e B web -- ls --json -- -x');
  assert.deepEqual(command, ['ls', '--json', '--', '-x']);
  assert.deepEqual(flags.env, ['A=1', 'B']);
  assert.equal(flags.json, false);
  assert.deepEqual(given, { vm: 'web' });
});

test('short flags can be put together', () => {
  const { flags } = inputOf('vm exec -dt web -- sh');
  assert.deepEqual([flags.detach, flags.tty], [true, true]);
});

test('several names are a list where a command takes several', () => {
  assert.deepEqual(inputOf('vm rm a b c').arguments, { vm: ['a', 'b', 'c'] });
  refuses('vm show a b', { message: /does not take "b"/ });
});

test('an unknown flag is refused with the one that was meant', () => {
  refuses('vm run --memroy 2G', { message: /no flag --memroy/, hint: /--memory/ });
  refuses('vm run --disksize 2G', { hint: /--disk-size/ });
  refuses('vm run -x', { message: /no flag -x/, hint: /vm run --help/ });
  refuses('vm ls --name x', { message: /no flag --name/ });
  refuses('--verbose vm ls', { message: /no flag --verbose/ });
});

test('an unknown command is refused with the one that was meant', () => {
  refuses('vm lst', { hint: /"banger vm ls"/ });
  refuses('vm delete web', { hint: /"banger vm rm"/ });
  refuses('vm shell web', { hint: /"banger vm exec"/ });
  refuses('ps', { hint: /"banger vm ls"/ });
  refuses('images', { hint: /"banger image ls"/ });
  refuses('imgae ls', { hint: /"banger image ls"/ });
  refuses('frobnicate', { hint: /banger help/ });
});

test('values that are missing, doubled or not wanted are refused', () => {
  refuses('vm create --name', { message: /--name needs a value/ });
  refuses('vm create --name a --name b', { message: /given twice/ });
  refuses('vm run --rm=yes', { message: /takes no value/ });
  refuses('vm show', { message: /needs <vm>/ });
  refuses('vm run --', { message: /no command after/ });
  refuses('vm ls -- true', { message: /takes no command/ });
  assert.throws(() => parseArguments(['vm', 'show', '']), { code: 'USAGE' });
});

test('a command without -- says where the -- goes', () => {
  refuses('vm exec web ls', { hint: /banger vm exec … -- ls/ });
  refuses('vm run . ls', { hint: /-- ls/ });
});

test('sizes need a unit, counts are whole', () => {
  const refusesSize = (line: string, message: RegExp) =>
    assert.throws(() => parse(line), { code: 'BAD_SIZE', message });
  refusesSize('vm run --memory 2048', /does not say in which unit/);
  refusesSize('vm run --memory 2Q', /not a size/);
  refusesSize('vm run --memory 0G', /not a size/);
  refusesSize('vm run --cpus 0', /whole number/);
  refusesSize('vm run --cpus 1.5', /whole number/);
  refusesSize('vm stop web --timeout soon', /not a duration/);
});

test('values out of bounds are refused with the bounds, in the words of the flag', () => {
  for (const [line, message, hint] of [
    ['vm create --memory 1M', '--memory 1M is too small.', 'Write a value from 64M to 4T.'],
    ['vm create --memory 8000T', '--memory 8000T is too large.', 'Write a value from 64M to 4T.'],
    ['vm set web --disk-size 1M', '--disk-size 1M is too small.', 'Write a value from 256M to 64T.'],
    ['vm run --cpus 65', '--cpus 65 is too large.', 'Write a value from 1 to 64.'],
    ['vm stop web --timeout 2h', '--timeout 2h is too large.', 'Write a value from 0 ms to 60 min 00 s.'],
    ['vm logs web --tail 1000001', '--tail 1000001 is too large.', 'Write a value from 0 to 1000000.'],
  ] as const)
    assert.throws(() => parse(line), { code: 'BAD_SIZE', message, hint }, line);
});

test('flags that every command takes stand before it, between its words and after it', () => {
  const expected = parse('vm ls --json -q');
  for (const line of ['--json -q vm ls', '--json vm ls -q', '-q vm --json ls', 'vm -q --json ls'])
    assert.deepEqual(parse(line), expected, line);
  assert.deepEqual(parse('--json --version'), parse('version --json'));
  assert.deepEqual(parse('--help vm ls'), { is: 'help', words: ['vm', 'ls'] });
  assert.deepEqual(parse('-q'), { is: 'help', words: [] });
  refuses('--json --loud vm ls', { message: /no flag --loud/ });
  refuses('--loud', { message: /^"banger" has no flag --loud/ });
  refuses('vm --loud', { message: /no flag --loud/ });
});

test('where errors of --json go is read off the table', () => {
  const style = (line: string) => readReportStyle(line.split(' '));
  for (const line of [
    'vm run --json -- x',
    '--json vm exec web',
    'vm cp web:/a - --json',
    'vm logs web --json',
    'vm workspace export web --patch - --json',
  ])
    assert.deepEqual(style(line), { isJson: true, isStdoutForeign: true }, line);
  for (const line of [
    'vm ls --json',
    'vm run -d --json',
    'vm exec -td web --json -- x',
    'vm cp a web:/ --json',
    'vm nonsense --json',
    '--json',
  ])
    assert.deepEqual(style(line), { isJson: true, isStdoutForeign: false }, line);
  assert.equal(style('vm exec web -- ls --json').isJson, false);
});

test('help is found wherever it is asked for', () => {
  assert.deepEqual(parse(''), { is: 'help', words: [] });
  assert.deepEqual(parse('--help'), { is: 'help', words: [] });
  assert.deepEqual(parse('vm'), { is: 'help', words: ['vm'] });
  assert.deepEqual(parse('vm -h'), { is: 'help', words: ['vm'] });
  assert.deepEqual(parse('vm run --help'), { is: 'help', words: ['vm', 'run'] });
  assert.deepEqual(parse('help vm run'), { is: 'help', words: ['vm', 'run'] });
  assert.equal(inputOf('vm exec web -- ls --help').command?.[1], '--help');
});
