import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawingOf } from './live-view.ts';

const [HOME, REST, BELOW] = ['\u001b[H', '\u001b[K', '\u001b[J'];
const PAGE = 'NAME  STATE\nweb   running\ndb    running\n';

test('a page is drawn over the one before, and nothing of that is left', () => {
  assert.equal(
    drawingOf(PAGE, { columns: 80, rows: 24 }),
    `${HOME}${REST}NAME  STATE\r\n${REST}web   running\r\n${BELOW}db    running`,
  );
});

test('what is wider or longer than the terminal is cut, and how much is missing below is said', () => {
  assert.equal(drawingOf(PAGE, { columns: 4, rows: 3 }), `${HOME}${REST}NAME\r\n${REST}web \r\n${BELOW}db  `);
  assert.equal(drawingOf(PAGE, { columns: 80, rows: 2 }), `${HOME}${REST}NAME  STATE\r\n${BELOW}… 2 more`);
});
