import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawingOf } from './live-view.ts';

const [HOME, REST, BELOW] = ['\u001b[H', '\u001b[K', '\u001b[J'];
const PAGE = 'NAME  STATE\nweb   running\ndb    running\n';

test('a page is drawn over the one before, and nothing of that is left', () => {
  assert.equal(
    drawingOf(PAGE, { columns: 80, rows: 24 }),
    `${HOME}NAME  STATE${REST}\r\nweb   running${REST}\r\ndb    running${REST}${BELOW}`,
  );
});

test('what is wider or longer than the terminal is cut, and how much is missing below is said', () => {
  assert.equal(drawingOf(PAGE, { columns: 4, rows: 3 }), `${HOME}NAME${REST}\r\nweb ${REST}\r\ndb  ${REST}${BELOW}`);
  assert.equal(drawingOf(PAGE, { columns: 80, rows: 2 }), `${HOME}NAME  STATE${REST}\r\n… 2 more${REST}${BELOW}`);
});
