import type { Run } from '../../load-command.ts';

export const run: Run<'config path'> = async (cli) => {
  const path = `${cli.findPaths().config}/config.toml`;
  if (cli.isJson) cli.printJson({ path });
  else cli.print(`${path}\n`);
  return 0;
};
