import { forEach } from '../../each-vm.ts';
import type { Run } from '../../load-command.ts';

export const run: Run<'image rm'> = (cli, input) =>
  forEach(cli, input.arguments.image, {
    begin: (image) => cli.client.imageRemove({ image }),
    describe: () => 'removed',
  });
