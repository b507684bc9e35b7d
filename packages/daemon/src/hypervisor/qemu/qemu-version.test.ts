import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Task } from '../../platform/task.ts';
import { createQemuVersion, parseQemuVersion } from './qemu-version.ts';

test('versions as Debian and others print them', () => {
  assert.equal(parseQemuVersion('QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright'), '7.2.22');
  assert.equal(parseQemuVersion('QEMU emulator version 10.0.13 (Debian)'), '10.0.13');
  assert.equal(parseQemuVersion('QEMU emulator version 11.0\n'), '11.0');
});

test('one that is too old, and what is no QEMU, are refused', () => {
  assert.throws(() => parseQemuVersion('QEMU emulator version 7.1.9'), { code: 'TOOL_TOO_OLD', message: /7\.1\.9/ });
  assert.throws(() => parseQemuVersion('QEMU emulator version 5.2.0'), { code: 'TOOL_TOO_OLD' });
  assert.throws(() => parseQemuVersion('hello'), { code: 'HYPERVISOR_FAILED' });
});

test('one that is not there is missing', async () => {
  const qemuVersion = createQemuVersion('/nonexistent/qemu-system-x86_64');
  await assert.rejects(qemuVersion(Task.background()), { code: 'TOOL_MISSING' });
});
