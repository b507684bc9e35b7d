import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planLimits } from './shed-inheritance.ts';

const LIMITS = `Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max file size             512000               unlimited            bytes     
Max stack size            8388608              unlimited            bytes     
Max address space         unlimited            unlimited            bytes     
Max open files            1024                 20000                files     
`;

test('limits go up as far as they may', () => {
  assert.deepEqual(planLimits(LIMITS, false), {
    raise: ['--fsize=unlimited:unlimited', '--nofile=20000:20000'],
    low: [],
  });
});

test('a limit that only root can raise is told', () => {
  const lowered = LIMITS.replace('512000               unlimited', '512000               512000   ');
  assert.deepEqual(planLimits(lowered, false), { raise: ['--nofile=20000:20000'], low: ['Max file size 512000'] });
  assert.deepEqual(planLimits(lowered, true).raise, ['--fsize=unlimited:unlimited', '--nofile=20000:20000']);
});
