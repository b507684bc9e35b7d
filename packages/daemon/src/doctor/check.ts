/** The words that a check ends with. */
import type { Check } from '@banger/contract/api/doctor.ts';

export const pass = (name: string, text: string): Check => ({ name, status: 'pass', text, fix: null });
export const warn = (name: string, text: string, fix: string | null = null): Check => ({
  name,
  status: 'warn',
  text,
  fix,
});
export const fail = (name: string, text: string, fix: string | null = null): Check => ({
  name,
  status: 'fail',
  text,
  fix,
});
