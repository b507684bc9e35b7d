import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BangerError, ERRORS, type ErrorCode, toBangerError, type WireError } from './errors.ts';

test('every code has an HTTP error status and an exit code of its range', () => {
  for (const [code, { status, exit, meaning }] of Object.entries(ERRORS)) {
    assert.match(code, /^[A-Z_]+$/);
    assert.ok(status >= 400 && status < 600, code);
    assert.ok((exit >= 64 && exit <= 78) || [126, 127, 130].includes(exit), code);
    assert.match(meaning, /^[A-Z].*\.$/, code);
  }
});

test('an error survives the wire', () => {
  const error = new BangerError('VM_NOT_FOUND', { message: 'm', hint: 'h', details: { name: 'web' } });
  const back = BangerError.fromWire(JSON.parse(JSON.stringify(error.toWire())));
  assert.deepEqual([back.code, back.message, back.hint, back.details], ['VM_NOT_FOUND', 'm', 'h', { name: 'web' }]);
});

test('what the system cannot give has a code and a hint, whoever says so', () => {
  const node = (code: string, path?: string) => Object.assign(new Error(`${code}: words, write`), { code, path });
  const start = (code: string) =>
    Object.assign(new Error(`spawn git ${code}`), { code, syscall: 'spawn git', path: '/usr/bin/git' });
  const sqlite = (errcode: number) => Object.assign(new Error('words'), { code: 'ERR_SQLITE_ERROR', errcode });
  const faults: [Error, ErrorCode][] = [
    [node('ENOSPC', '/x'), 'DISK_FULL'],
    [sqlite(13), 'DISK_FULL'],
    [sqlite(10 | (19 << 8)), 'DISK_FULL'],
    [new Error('mkfs.ext4 ended with 1: No space left on device'), 'DISK_FULL'],
    [node('EDQUOT'), 'DISK_QUOTA'],
    [node('EROFS'), 'DISK_READ_ONLY'],
    [sqlite(8 | (3 << 8)), 'DISK_READ_ONLY'],
    [node('EIO'), 'DISK_FAILED'],
    [sqlite(10 | (3 << 8)), 'DISK_FAILED'],
    [node('EFBIG'), 'FILE_TOO_LARGE'],
    [node('EMFILE'), 'TOO_MANY_FILES'],
    [node('ENFILE'), 'TOO_MANY_FILES'],
    [node('ENOMEM'), 'NOT_ENOUGH_MEMORY'],
    [start('ENOMEM'), 'NOT_ENOUGH_MEMORY'],
    [start('EMFILE'), 'TOO_MANY_FILES'],
    [start('EAGAIN'), 'HOST_EXHAUSTED'],
    [node('EACCES'), 'ACCESS_DENIED'],
    [node('ENOTDIR', '/x'), 'FOLDER_UNUSABLE'],
    [node('EISDIR'), 'FOLDER_UNUSABLE'],
    [node('ESTALE'), 'FOLDER_UNUSABLE'],
  ];
  for (const [fault, code] of faults) {
    const error = toBangerError(fault);
    assert.deepEqual([error.code, error.cause], [code, fault]);
    assert.ok(error.hint && error.hint.length > 40, code);
  }
  assert.equal(toBangerError(node('ENOSPC', '/x')).message, 'There is no room on the disk: /x.');
  assert.equal(toBangerError(start('EAGAIN')).message, 'No further program can be started (spawn git EAGAIN).');
  assert.equal(toBangerError(sqlite(19)).code, 'INTERNAL');
  assert.equal(toBangerError(node('EAGAIN')).code, 'INTERNAL', 'it only means "not now"');
});

test('a code that this version does not know, or a foreign error, becomes INTERNAL', () => {
  for (const code of ['FROM_THE_FUTURE', 'toString', '__proto__']) {
    assert.equal(BangerError.fromWire({ code, message: 'm' } as unknown as WireError).code, 'INTERNAL');
  }
  const cause = new TypeError('boom');
  assert.deepEqual([toBangerError(cause).code, toBangerError(cause).cause], ['INTERNAL', cause]);
});
