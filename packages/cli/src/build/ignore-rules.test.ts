import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIgnoreRules } from './ignore-rules.ts';

/** Rules, what they leave out, and what they do not */
const CASES: [rules: string[], leftOut: string[], kept: string[]][] = [
  [['node_modules'], ['node_modules', 'node_modules/a/b'], ['src/node_modules', 'node_modules2']],
  [['**/node_modules'], ['node_modules', 'a/node_modules/b', 'a/b/node_modules'], ['a/node_modules2']],
  [['*.log'], ['a.log', '.log'], ['a/b.log', 'a.logs']],
  [['**/*.log'], ['a.log', 'a/b/c.log'], ['a.txt']],
  [['*/temp*'], ['a/temporary', 'a/temp/b'], ['temp', 'a/b/temp']],
  [['temp?'], ['tempa'], ['temp', 'temp/a', 'tempab']],
  [['a/**'], ['a/b', 'a/b/c'], ['a', 'ab']],
  [['a/**/z'], ['a/z', 'a/b/c/z', 'a/z/y'], ['a/bz']],
  [['/foo/bar/'], ['foo/bar', 'foo/bar/x'], ['x/foo/bar']],
  [['./a/../b'], ['b'], ['a']],
  [['*', '!README.md'], ['a', 'a/README.md'], ['README.md']],
  [['*.md', '!README*.md', 'README-secret.md'], ['a.md', 'README-secret.md'], ['README.md']],
  [['*.md', 'README-secret.md', '!README*.md'], ['a.md'], ['README.md', 'README-secret.md']],
  [
    ['docs', '!docs/keep'],
    ['docs', 'docs/a'],
    ['docs/keep', 'docs/keep/b'],
  ],
  [['! a', 'a'], ['a'], ['b']],
  [['# a', '', '   ', '  b  '], ['b'], ['a', '# a']],
  [[' #a'], ['#a'], ['a']],
  [
    ['[a-c].txt', '[^x]y'],
    ['b.txt', 'ay'],
    ['d.txt', 'xy'],
  ],
  [
    ['\\*', '\\!a'],
    ['*', '!a'],
    ['b', 'a'],
  ],
  [
    ['a.b', 'c+d', '(e)', '{f,g}', '$h|^i'],
    ['a.b', 'c+d', '(e)', '{f,g}', '$h|^i'],
    ['axb', 'ccd', 'e', 'f', 'i'],
  ],
  [['\uFEFFa\r'], ['a'], []],
  [['A'], ['A'], ['a']],
];

test('the last rule that matches a path, or a folder that it is in, counts', () => {
  for (const [lines, leftOut, kept] of CASES) {
    const rules = parseIgnoreRules(lines.join('\n'), '.dockerignore');
    for (const path of leftOut)
      assert.equal(rules.leavesOut(path), true, `${JSON.stringify(lines)} leaves out ${path}`);
    for (const path of kept) assert.equal(rules.leavesOut(path), false, `${JSON.stringify(lines)} keeps ${path}`);
  }
});

test('a folder that is left out is looked through only where something may have been taken back', () => {
  const rules = parseIgnoreRules('*\n!src/*/keep\n!**/deep/x', '.dockerignore');
  const only = parseIgnoreRules('*\n!src/*/keep', '.dockerignore');
  assert.equal(rules.mayKeepBelow('anything'), true);
  assert.deepEqual(['src', 'src/a', 'src/a/keep', 'lib'].map(only.mayKeepBelow), [true, true, false, false]);
  assert.equal(parseIgnoreRules('*', '.dockerignore').mayKeepBelow('src'), false);
});

test('what is no pattern is told with its line', () => {
  assert.throws(() => parseIgnoreRules('a\n!', 'my.dockerignore'), {
    code: 'USAGE',
    message: /^my.dockerignore, line 2/,
  });
  assert.throws(() => parseIgnoreRules('[a', '.dockerignore'), { code: 'USAGE', message: /"\[a" is no pattern/ });
});
