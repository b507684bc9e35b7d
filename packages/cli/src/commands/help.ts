import { helpFor } from '../help.ts';
import type { Run } from '../load-command.ts';

export const run: Run<'help'> = async (cli, input) => {
  cli.print(helpFor(input.arguments.words));
  return 0;
};
