import type { Check, TimedCheck } from '@banger/contract/api/doctor.ts';
import { cleanLine } from '@banger/contract/clean-text.ts';
import { BangerError, ERRORS, toBangerError } from '@banger/contract/errors.ts';
import { formatDuration } from '@banger/contract/sizes.ts';
import type { Cli } from '../cli.ts';
import { inspectHost } from '../inspect-host.ts';
import type { Run } from '../load-command.ts';
import { watchOperation } from '../watch-operation.ts';

export const run: Run<'doctor'> = async (cli, { flags }) => {
  // First, since it finds out things that the other checks tell, and since they then show whether it left anything.
  const boot = flags.boot ? await bootCanary(cli) : [];
  const checks: (Check | TimedCheck)[] = [];
  for await (const check of inspectHost<Check>('doctor')) {
    checks.push(check);
    if (!cli.isJson) cli.print(describeCheck(check));
  }
  checks.push(...boot);
  if (cli.isJson) cli.printJson({ ...count(checks), checks });
  else cli.print(`${boot.map(describeCheck).join('')}\n${summarise(checks)}\n`);
  return checks.some(({ status }) => status === 'fail') ? ERRORS.HOST_NOT_READY.exit : 0;
};

/** A daemon that cannot start is a finding too. */
async function bootCanary(cli: Cli): Promise<Check[]> {
  try {
    return (await watchOperation(cli, cli.client.doctorBoot(), { isBrief: true })).checks;
  } catch (thrown) {
    if (thrown instanceof BangerError && thrown.code === 'CANCELLED') throw thrown;
    const { message, code } = toBangerError(thrown);
    return [
      { name: 'boot', status: 'fail', text: `${message.replace(/\.$/, '')} (${code})`, fix: 'banger daemon start' },
    ];
  }
}

export function describeCheck(check: Check | TimedCheck): string {
  const time = 'durationMs' in check ? ` (${formatDuration(check.durationMs)})` : '';
  const line = `${check.status.padEnd(4)}  ${check.name.padEnd(12)}  ${cleanLine(check.text)}${time}\n`;
  return check.fix === null ? line : `${line}${' '.repeat(20)}fix: ${cleanLine(check.fix)}\n`;
}

function count(checks: readonly Check[]): Record<'passed' | 'warned' | 'failed', number> {
  const having = (status: Check['status']) => checks.filter((check) => check.status === status).length;
  return { passed: having('pass'), warned: having('warn'), failed: having('fail') };
}

export function summarise(checks: readonly Check[]): string {
  const { passed, warned, failed } = count(checks);
  return `${passed} passed, ${warned} warned, ${failed} failed`;
}
