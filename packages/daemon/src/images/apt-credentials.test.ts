import assert from 'node:assert/strict';
import { test } from 'node:test';
import { takeCredentials, takeSettingCredentials } from './apt-credentials.ts';

const cases: [address: string, without: string, authLine: string | null][] = [
  ['http://host/debian', 'http://host/debian', null],
  ['http://host/a@b', 'http://host/a@b', null],
  ['http://u:s3cret@host/debian', 'http://host/debian', 'machine http://host/debian login u password s3cret'],
  ['HTTPS://u:s@host:8443', 'HTTPS://host:8443', 'machine HTTPS://host:8443 login u password s'],
  ['http://u:p%40ss%3a@host/d/', 'http://host/d/', 'machine http://host/d/ login u password p@ss:'],
  ['http://u:p@ss:w@host/', 'http://host/', 'machine http://host/ login u password p@ss:w'],
  ['http://u:50%@host', 'http://host', 'machine http://host login u password 50%'],
  ['http://token@host/d', 'http://host/d', 'machine http://host/d login token'],
];
for (const [address, without, authLine] of cases) {
  test(`a password is apart from its address: ${address}`, () => {
    assert.deepEqual(takeCredentials(address), { address: without, authLine });
  });
}

test('what auth.conf cannot say is refused, without the password', () => {
  for (const address of ['http://u:a%20secret@host/d', 'http://u:a%0asecret@host/d', 'http://:secret@host/d']) {
    assert.throws(
      () => takeCredentials(address),
      (fault: Error) => {
        assert.match(fault.message, /http:\/\/host\/d/);
        assert.doesNotMatch(fault.message, /secret/);
        return true;
      },
    );
  }
});

test("a proxy's password is apart from its setting", () => {
  assert.deepEqual(takeSettingCredentials('Acquire::http::Proxy "http://u:s@proxy:3128/";'), {
    setting: 'Acquire::http::Proxy "http://proxy:3128/";',
    authLine: 'machine http://proxy:3128/ login u password s',
  });
  assert.deepEqual(takeSettingCredentials('Acquire::http::Proxy::mirror.example "DIRECT";'), {
    setting: 'Acquire::http::Proxy::mirror.example "DIRECT";',
    authLine: null,
  });
});
