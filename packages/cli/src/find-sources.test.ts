import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

const HOOK = join(import.meta.dirname, 'find-sources.cts');
const IMPORTS = [
  './main.ts',
  '../../sdk/src/http.ts',
  '@banger/contract/errors.ts',
  '@banger/contract/api/routes.ts',
  '@banger/sdk/connect.ts',
  'node:fs',
  'fs',
  'zod',
];

test('what is imported is found where Node finds it by itself', () => {
  assert.deepEqual(resolveAll(['--require', HOOK]), resolveAll([]));
});

function resolveAll(options: string[]): string[] {
  const script = `console.log(JSON.stringify(${JSON.stringify(IMPORTS)}.map((name) => import.meta.resolve(name))))`;
  const { stdout, stderr } = spawnSync(process.execPath, [...options, '--input-type=module', '--eval', script], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  });
  assert.equal(stderr, '');
  return JSON.parse(stdout) as string[];
}
