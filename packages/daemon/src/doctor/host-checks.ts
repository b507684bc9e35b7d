/** What kind of machine this is. */
import { arch, machine, release, type } from 'node:os';
import type { Check } from '@banger/contract/api/doctor.ts';
import { fail, pass } from './check.ts';

export function checkArchitecture(): Check {
  const found = `${machine()}, ${type()} ${release()}`;
  if (arch() === 'x64' && type() === 'Linux') return pass('architecture', found);
  return fail('architecture', `${found}; banger needs Linux on x86-64`);
}
