import { VERSION } from '@banger/contract/version.ts';
import type { Run } from '../load-command.ts';

export const run: Run<'version'> = async (cli) => {
  if (cli.isJson) cli.printJson({ version: VERSION, node: process.versions.node });
  else cli.print(`banger ${VERSION}\n`);
  return 0;
};
