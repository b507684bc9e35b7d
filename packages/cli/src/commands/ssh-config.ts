import { BangerError } from '@banger/contract/errors.ts';
import type { Run } from '../load-command.ts';
import { renderFacts } from '../output/table.ts';
import { includeLine } from '../ssh/include-block.ts';
import { installInclude, uninstallInclude } from '../ssh/user-config.ts';

export const run: Run<'ssh-config'> = async (cli, { flags }) => {
  if (flags.install && flags.uninstall) {
    throw new BangerError('USAGE', {
      message: '--install and --uninstall exclude each other.',
      hint: 'Leave one of them out.',
    });
  }
  const userConfigPath = `${cli.findHome()}/.ssh/config`;
  if (flags.uninstall) {
    const hasChanged = await uninstallInclude(userConfigPath, cli.owner);
    if (cli.isJson) cli.printJson({ userConfigPath, hasChanged });
    else cli.print(hasChanged ? `${userConfigPath}: removed\n` : `${userConfigPath}: nothing to remove\n`);
    return 0;
  }

  const { configPath } = await cli.client.sshConfig();
  const include = includeLine(configPath);
  const hasChanged = flags.install && (await installInclude(userConfigPath, include, cli.owner));
  if (cli.isJson) cli.printJson({ configPath, include, userConfigPath, hasChanged });
  else if (flags.install) cli.print(`${userConfigPath}: ${hasChanged ? 'installed' : 'installed already'}\n`);
  else {
    const install = '"banger ssh-config --install" adds it to the top of ~/.ssh/config';
    cli.print(
      renderFacts([
        ['config', configPath],
        ['include', include],
      ]),
    );
    cli.note(`${install}; then "ssh <vm>.vm" works.`);
  }
  return 0;
};
