import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { authorOf, withParents } from './rewrite-commits.ts';

const TREE = 'a'.repeat(40);
const PARENT = 'b'.repeat(40);

function commit(header: string[], message = 'text\n\nparent of all\n') {
  const body = `${[`tree ${TREE}`, ...header, 'author A <a@x> 1 +0000', 'committer C <c@x> 2 +0100'].join('\n')}\n\n${message}`;
  const id = createHash('sha1').update(`commit ${body.length}\0${body}`).digest('hex');
  return { id, body };
}

test('a root gets its parents back, and what stands on it follows', () => {
  const root = commit([]);
  const next = commit([`parent ${root.id}`]);
  const merge = commit([`parent ${PARENT}`, `parent ${next.id}`]);
  const other = commit([`parent ${PARENT}`], 'not touched');
  const made = withParents([root, next, other, merge], new Set([root.id]), [PARENT, TREE]);
  assert.deepEqual(
    made.map(({ was }) => was),
    [root.id, next.id, merge.id],
  );
  const [first, second, third] = made as [(typeof made)[0], (typeof made)[0], (typeof made)[0]];
  assert.equal(first.body, root.body.replace(`${TREE}\n`, `${TREE}\nparent ${PARENT}\nparent ${TREE}\n`));
  assert.equal(first.id, createHash('sha1').update(`commit ${first.body.length}\0${first.body}`).digest('hex'));
  assert.equal(second.body, next.body.replace(root.id, first.id));
  assert.match(third.body, new RegExp(`^tree ${TREE}\nparent ${PARENT}\nparent ${second.id}\nauthor`));
});

test('a signature goes with what it signed, and nothing else', () => {
  const root = commit([]);
  const signed = {
    ...root,
    body: root.body.replace('\n\n', '\ngpgsig -----BEGIN\n line\n \n -----END\nencoding x\n\n'),
  };
  const [made] = withParents([signed], new Set([root.id]), [PARENT]);
  assert.doesNotMatch(made?.body ?? '', /gpgsig|-----/);
  assert.match(made?.body ?? '', /\nencoding x\n\ntext\n\nparent of all\n$/);
});

test('the author is read from the header alone', () => {
  assert.equal(authorOf(commit([])), 'author A <a@x> 1 +0000');
  assert.equal(authorOf({ id: '', body: `tree ${TREE}\n\nauthor of nothing` }), null);
});
