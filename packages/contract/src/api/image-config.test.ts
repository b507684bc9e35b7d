import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type ImageConfig, imageConfigSchema } from './image-config.ts';

const CONFIG: ImageConfig = {
  env: ['PATH=/bin', 'EMPTY=', 'LINES=a\nb=c'],
  user: 'app:1000',
  workingDir: '/srv',
  entrypoint: ['/entry'],
  command: ['', 'ü'],
  stopSignal: 'SIGRTMIN+3',
};

test('the sample that the agent is held to is a configuration', () => {
  const sample = JSON.parse(readFileSync(new URL('../../vectors/image-config.json', import.meta.url), 'utf8'));
  assert.deepEqual(imageConfigSchema.parse(sample.config), sample.config);
});

test('a configuration is taken as it is', () => {
  assert.deepEqual(imageConfigSchema.parse(CONFIG), CONFIG);
});

for (const [what, wrong] of Object.entries<object>({
  'a variable without a value': { env: ['PATH'] },
  'a variable without a name': { env: ['=x'] },
  'a zero byte': { command: ['a\0b'] },
  'a working folder that depends on another': { workingDir: 'srv' },
  'an empty user': { user: '' },
  'a signal that is none': { stopSignal: 'TERM; reboot' },
  'an argument longer than Linux takes': { command: ['ü'.repeat(65_536)] },
  'too many arguments': { entrypoint: Array.from({ length: 4097 }, () => '') },
  'more than a megabyte in all': { command: Array.from({ length: 9 }, () => 'x'.repeat(120_000)) },
  'a word that is not known': { Healthcheck: [] },
})) {
  test(`refused: ${what}`, () => {
    assert.equal(imageConfigSchema.safeParse({ ...CONFIG, ...wrong }).success, false);
  });
}
