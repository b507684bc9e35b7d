/** The same for each of the things that were named: side by side, and a failure of one does not stop the others. */
import { BangerError, toBangerError, type WireError } from '@banger/contract/errors.ts';
import type { OperationStream } from '@banger/sdk/operation-stream.ts';
import type { Cli } from './cli.ts';
import { reportError } from './report-error.ts';
import { watchOperation } from './watch-operation.ts';

type Work<Result> = {
  begin: (name: string) => OperationStream<Result>;
  /** "shut down": said on stdout as "web: shut down" */
  describe: (result: Result) => string;
};

type Row<Result> = { name: string; result: Result } | { name: string; error: WireError };

/** Each takes two connections when it is cancelled, and a program may have no more than 64 open files */
const MAX_AT_ONCE = 16;

/** Gives the exit code: that of the first failure. */
export async function forEach<Result>(cli: Cli, names: string[], { begin, describe }: Work<Result>): Promise<number> {
  if (names.length === 1 && !cli.isJson) {
    const [name] = names as [string];
    const result = await watchOperation(cli, begin(name));
    cli.print(`${name}: ${describe(result)}\n`);
    return 0;
  }

  let exitCode = 0;
  let isCancelled = false;
  const rows: Row<Result>[] = [];
  const left = [...new Set(names)].entries();
  const workOnNext = async () => {
    for (const [index, name] of left) rows[index] = await workOn(name);
  };
  await Promise.all(Array.from({ length: MAX_AT_ONCE }, workOnNext));
  if (cli.isJson) cli.printJson({ results: rows });
  return exitCode;

  async function workOn(name: string): Promise<Row<Result>> {
    try {
      if (isCancelled) throw notBegun(name);
      const result = await watchOperation(cli, begin(name), { prefix: `${name}: ` });
      if (!cli.isJson) cli.print(`${name}: ${describe(result)}\n`);
      return { name, result };
    } catch (thrown) {
      const report = reportError(thrown);
      exitCode ||= report.exitCode;
      isCancelled ||= report.code === 'CANCELLED';
      if (!cli.isJson) cli.complain(report.text.trimEnd());
      return { name, error: toBangerError(thrown).toWire() };
    }
  }
}

function notBegun(name: string): BangerError {
  return new BangerError('CANCELLED', {
    message: `Nothing was done with "${name}": the work on one before it was cancelled.`,
  });
}
