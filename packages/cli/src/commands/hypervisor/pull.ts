import { type Digest, digestOfHex, isDigest } from '@banger/contract/digest.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { hostPath } from '../../host-path.ts';
import type { Run } from '../../load-command.ts';
import { watchOperation } from '../../watch-operation.ts';

export const run: Run<'hypervisor pull'> = async (cli, input) => {
  const { force, from, digest } = input.flags;
  const wanted = {
    name: input.arguments.hypervisor,
    force,
    ...(from !== undefined && { from: from.includes('://') ? from : hostPath(cli, from) }),
    ...(digest !== undefined && { digest: parseDigest(digest) }),
  };
  const { name, pulled } = await watchOperation(cli, cli.client.hypervisorPull(wanted));
  if (cli.isJson) cli.printJson({ name, pulled });
  else cli.print(`${name}: ${pulled?.version} ${pulled?.digest} ${formatSize(pulled?.sizeBytes ?? 0)}\n`);
  return 0;
};

/** With "sha256:" before it, as banger writes it, or without, as sha256sum does. */
function parseDigest(text: string): Digest {
  const digest = isDigest(text) ? text : digestOfHex(text);
  if (digest) return digest;
  throw new BangerError('USAGE', {
    message: `"${text.slice(0, 80)}" is not the SHA-256 of a file.`,
    hint: 'It has 64 digits from 0 to 9 and from a to f, as "sha256sum" prints them.',
  });
}
