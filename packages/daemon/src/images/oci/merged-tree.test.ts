import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LayerEntry, MERGE_LIMITS, MergedTree } from './merged-tree.ts';

const refuse = (why: string) => new RangeError(why);

/** "a/" is a folder, "a -> b" a link to a name, "a = b" a hard link; anything else a file. */
function entryOf(text: string): LayerEntry {
  const [, link, target = ''] = /^(.*) -> (.*)$/s.exec(text) ?? [];
  if (link !== undefined) return { name: link, type: 'symlink', target };
  const [, hard, file = ''] = /^(.*) = (.*)$/s.exec(text) ?? [];
  if (hard !== undefined) return { name: hard, type: 'hardlink', target: file };
  return { name: text, type: text.endsWith('/') ? 'directory' : 'file', target: '' };
}

function merge(layers: string[][], limits: Partial<typeof MERGE_LIMITS> = {}) {
  const tree = new MergedTree(refuse, { ...MERGE_LIMITS, ...limits });
  for (const layer of layers) {
    tree.beginLayer();
    for (const text of layer) tree.apply(entryOf(text));
  }
  const places = Array.from(tree.places(), ({ entry, names }) => `${entry} ${names.join(' ')}`);
  return [...places, ...Array.from(tree.unnamedFolders()).sort()];
}

const merged = (title: string, layers: string[][], expected: string[]) =>
  test(title, () => assert.deepEqual(merge(layers), expected));

merged('an upper file takes the place of a lower one', [['a/', 'a/x', 'a/y'], ['a/x']], ['0 a', '2 a/y', '3 a/x']);
merged('of one name twice in a layer the last stands', [['x', 'y', 'x']], ['1 y', '2 x']);
merged('names are cleaned', [['./', './a/', '/a//./x', 'a/']], ['2 a/x', '3 a']);
merged('folders that no entry names are told', [['a/b/x'], ['a/']], ['0 a/b/x', '1 a', 'a/b']);
merged('a folder keeps what is in it when its entry comes again', [['a/', 'a/x'], ['a/']], ['1 a/x', '2 a']);
merged('a file takes the place of a folder and all in it', [['a/', 'a/b/', 'a/b/x'], ['a']], ['3 a']);
merged('a folder takes the place of a file', [['a'], ['a/', 'a/x']], ['1 a', '2 a/x']);
merged(
  'a whiteout takes away',
  [
    ['a/', 'a/b/', 'a/b/x', 'y'],
    ['a/.wh.b', '.wh.y'],
  ],
  ['0 a'],
);
merged('a whiteout of what is not there is nothing', [['a/'], ['.wh.b', 'c/.wh.d', 'a/.wh.e']], ['0 a']);
merged(
  'a whiteout leaves what its own layer has, before it and after it',
  [
    ['a/x', 'a/y'],
    ['a/x', '.wh.a', 'a/z'],
  ],
  [...['2 a/x', '4 a/z'], 'a'],
);
merged(
  'an opaque folder hides what is below it alone',
  [
    ['a/', 'a/x', 'a/b/', 'a/b/y'],
    ['a/', 'a/z', 'a/.wh..wh..opq', 'a/b/w'],
  ],
  [...['4 a', '5 a/z', '7 a/b/w'], 'a/b'],
);
merged(
  'the root can be opaque',
  [
    ['a/', 'x'],
    ['.wh..wh..opq', 'y'],
  ],
  ['3 y'],
);
merged('what aufs noted is no file', [['x'], ['.wh..wh.aufs', '.wh..wh.orph']], ['0 x']);
merged(
  'a hard link keeps a lower file that is replaced or removed',
  [
    ['x', 'y'],
    ['a = x', 'b = y', 'x', '.wh.y'],
  ],
  [...['0 a', '1 b', '4 x']],
);
merged(
  'names of one file are told together',
  [
    ['d/', 'd/x', 'y = d/x'],
    ['z = ./y', '.wh.d'],
  ],
  ['1 y z'],
);
merged('a hard link in its own layer is to what was there then', [['x'], ['y = x', 'x']], ['0 y', '2 x']);
merged('a hard link to a link is the same link', [['l -> a/', 'a/', 'h = l'], ['h/x']], ['0 l h', '1 a', '3 a/x']);
merged(
  'names lead through links',
  [
    ['usr/lib/', 'lib -> usr/lib'],
    ['lib/x', 'lib/y/z'],
  ],
  [...['0 usr/lib', '1 lib', '2 usr/lib/x', '3 usr/lib/y/z'], ...['usr', 'usr/lib/y']],
);
merged('a whiteout leads through links', [['usr/', 'usr/x', 'lib -> /usr'], ['lib/.wh.x']], ['0 usr', '2 lib']);
merged(
  'an opaque folder may be behind a link',
  [['usr/', 'usr/x', 'lib -> usr'], ['lib/.wh..wh..opq']],
  ['0 usr', '2 lib'],
);
merged(
  'a folder takes the place of a link to one',
  [
    ['usr/', 'lib -> usr'],
    ['lib/', 'lib/x'],
  ],
  ['0 usr', '2 lib', '3 lib/x'],
);
merged(
  'a link does not lead out',
  [
    ['l -> ../../../a', 'm -> /../b'],
    ['l/x', 'm/y'],
  ],
  [...['0 l', '1 m', '2 a/x', '3 b/y'], ...['a', 'b']],
);
merged('a link to what is missing makes it', [['l -> a/../b'], ['l/x']], ['0 l', '1 b/x', 'b']);
merged('an empty folder that nobody names stays', [['a/x'], ['a/.wh.x']], ['a']);
merged('names are bytes', [['\udcff', 'é'], ['\udcff']], ['1 é', '2 \udcff']);

for (const [what, layers, message, limits] of [
  ['a name that leaves the root', [['a/../../x']], /leaves the root/],
  ['a hard link that leaves the root', [['x = ../y']], /leaves the root/],
  ['a hard link to nothing', [['x = y']], /not there: "x" to "y"/],
  ['a hard link to itself', [['x'], ['x = x']], /not there/],
  ['a hard link to a folder', [['a/', 'x = a']], /to a folder/],
  ['something in a file', [['a'], ['a/x']], /in what is no folder: "a\/x"/],
  ['a root that is a file', [['.']], /place of the root/],
  ['a whiteout without a name', [['a/.wh.']], /no name/],
  ['a whiteout of the folder above', [['a/.wh...']], /no name/],
  ['links in a circle', [['a -> b', 'b -> a', 'a/x']], /circles/],
  ['a zero byte', [['a\0b']], /zero byte/],
  ['a link to nothing', [['a -> ']], /leads nowhere/],
  ['a long name', [['x'.repeat(256)]], /name that is too long/],
  [
    'a long path',
    [['a/'.repeat(2000), `l -> ${'a/'.repeat(2000)}`, `l/${'b/'.repeat(1000)}`]],
    /path that is too long/,
  ],
  ['an escape sequence, which is not printed', [['\x1b[2J/../x']], /root: "\/\.\.\/x"/],
  ['too many names', [['a', 'b', 'c']], /more than 2 names/, { names: 2 }],
  ['too many entries', [['a', 'a', 'a']], /more than 2 entries/, { entries: 2 }],
  ['too many characters', [['aaaa', `b -> ${'c'.repeat(10)}`]], /memory/, { characters: 10 }],
  ['too many steps', [['a/b/c/d/e/f/g']], /without an end/, { steps: 5 }],
] as [string, string[][], RegExp, object?][]) {
  test(`refused: ${what}`, () => assert.throws(() => merge(layers, limits), { name: 'RangeError', message }));
}

test('names that are gone count no more', () => {
  const layers = Array.from({ length: 50 }, (_, layer) => [`a/${layer}`, `b${layer}`, `.wh.b${layer - 1}`, '.wh.a']);
  assert.doesNotThrow(() => merge(layers, { names: 60, characters: 200 }));
});
