import { BangerError } from '@banger/contract/errors.ts';
import { isCatalogName, parseCatalogName } from '@banger/contract/names.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { packContext, readContext } from '../../build/pack-context.ts';
import type { Cli } from '../../cli.ts';
import { basename } from '../../exact-path.ts';
import type { Run } from '../../load-command.ts';
import { watchOperation } from '../../watch-operation.ts';

export const run: Run<'image build'> = async (cli, { arguments: { context: given }, flags }) => {
  const folder = cli.absolutePath(given || '.');
  const name = flags.tag === undefined ? nameOf(folder) : parseCatalogName(flags.tag);
  const context = await readContext(
    folder,
    flags.file === undefined ? `${folder}/Dockerfile` : cli.absolutePath(flags.file),
  );
  const building = cli.client.imageBuild({
    image: name,
    tar: packContext(context, { files: 0, bytes: 0, skipped: 0 }),
    target: flags.target,
    noCache: flags['no-cache'],
    args: buildArgs(flags['build-arg'], cli.env).join('\0'),
  });
  const image = await watchOperation(cli, building);
  if (cli.isJson) cli.printJson(image);
  else cli.print(`${image.name}: ${image.digest} ${formatSize(image.sizeBytes ?? 0)}\n`);
  return 0;
};

function nameOf(folder: string): string {
  const name = basename(folder).toLowerCase();
  if (isCatalogName(name)) return name;
  throw usage('The name of the folder is no name for an image.', 'Name it with --tag.');
}

/** NAME alone has the value that it has here, or none. */
function buildArgs(words: string[], env: Cli['env']): string[] {
  return words.flatMap((word) => {
    const [name = ''] = word.split('=', 1);
    if (!/^[A-Za-z_]\w*$/.test(name)) {
      throw usage(`--build-arg "${word}": this is no argument of a Dockerfile.`, 'Write --build-arg NAME=value.');
    }
    if (word.length > name.length) return [word];
    const value = env[name];
    return value === undefined ? [] : [`${name}=${value}`];
  });
}

function usage(message: string, hint: string): BangerError {
  return new BangerError('USAGE', { message, hint });
}
