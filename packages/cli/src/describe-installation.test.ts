import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Installation } from '@banger/contract/api/installation.ts';
import { VERSION } from '@banger/contract/version.ts';
import { describeInstallation, noteDaemons } from './describe-installation.ts';

const INSTALLED: Installation = {
  installed: {
    version: VERSION,
    owner: { name: 'mia', uid: 1000 },
    installedAt: '2026-11-27T00:00:00Z',
    isComplete: true,
    changed: [],
  },
  units: [{ name: 'bangerd.service', active: 'active', enabled: 'enabled' }],
  daemonPid: 42,
  notes: [],
};

test('where two daemons run, or the wrong one, is said with the way out', () => {
  assert.deepEqual(noteDaemons(42, 42), []);
  assert.deepEqual(noteDaemons(null, null), []);
  assert.match(noteDaemons(42, 43).join(), /Two daemons run.*42.*43.*XDG/);
  assert.match(noteDaemons(null, 43).join(), /43.*"sudo banger system restart"/);
  assert.match(noteDaemons(42, null).join(), /42.*XDG/);
});

test('what is installed is told, and what is wrong with it', () => {
  assert.match(
    describeInstallation(INSTALLED),
    /^version: .*\nowner: +mia \(uid 1000\)\n.*\nbangerd\.service: +active, enabled\n$/s,
  );
  const { installed } = INSTALLED;
  assert.ok(installed);
  const broken = { ...installed, version: '0.0.1', isComplete: false, changed: ['/etc/x'] };
  const text = describeInstallation({ ...INSTALLED, installed: broken, notes: ['A note.'] });
  for (const told of [/cut off/, /This command has version/, /\/etc\/x is not as it was written/, /A note\./])
    assert.match(text, told);
  assert.match(describeInstallation({ ...INSTALLED, installed: null }), /not installed/);
});
