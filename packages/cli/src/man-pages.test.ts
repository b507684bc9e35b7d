import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMMANDS } from './commands.ts';
import { renderManPages } from './man-pages.ts';

const PAGES = renderManPages();

test('each command has a page, which says what it does and takes', () => {
  for (const [name, { summary }] of Object.entries(COMMANDS)) {
    const page = PAGES.get(`banger-${name.replaceAll(' ', '-')}.1`) ?? '';
    assert.match(page, /^\.TH BANGER-[A-Z-]+ 1 /, name);
    assert.ok(page.includes(summary.replaceAll('-', '\\-').replaceAll('"', '\\(dq').replaceAll("'", '\\(aq')), name);
    assert.ok(PAGES.get('banger.1')?.includes(`.B banger\\-${name.replaceAll(/[ -]/g, '\\-')}(1)`), name);
  }
});

test('what somebody types is shown as it is to be typed', () => {
  const page = PAGES.get('banger-vm-run.1') ?? '';
  assert.ok(page.includes('.B \\-\\-name <name>\n'));
  assert.ok(page.includes('.B banger vm run \\-\\-rm \\-\\- uname \\-a\n'));
});

test('no line of text is taken for a request', () => {
  for (const [name, page] of PAGES) {
    for (const line of page.split('\n'))
      assert.ok(!/^['.]/.test(line) || /^\.(TH|SH|TP|PP|B|I|RI|nh|ad)\b/.test(line), `${name}: ${line}`);
  }
});
