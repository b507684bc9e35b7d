import type { Image } from '@banger/contract/api/images.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { describeConfig } from '../../describe-image.ts';
import type { Run } from '../../load-command.ts';
import { formatAge, renderFacts } from '../../output/table.ts';

export const run: Run<'image show'> = async (cli, input) => {
  const image = await cli.client.imageShow({ image: input.arguments.image });
  if (cli.isJson) {
    cli.printJson(image);
    return 0;
  }
  const facts: [string, string][] = [
    ['name', image.isDefault ? `${image.name} (default)` : image.name],
    ['description', image.description],
    ['source', image.source],
    ...(image.pulled
      ? ([
          ['pulled from', image.pulled.ref],
          ['manifest', image.pulled.manifestDigest],
        ] as [string, string][])
      : []),
    ['digest', image.digest ?? `not pulled; "banger image pull ${image.name}" fetches it`],
    ['size', image.sizeBytes === null ? '-' : formatSize(image.sizeBytes)],
    ['on host', describeSpace(image)],
    ['created', formatAge(image.createdAt, Date.now())],
    ['used by', image.usedBy.length === 0 ? 'no vm' : image.usedBy.join(', ')],
    ...(image.config ? describeConfig(image.config) : []),
  ];
  cli.print(renderFacts(facts));
  return 0;
};

function describeSpace({ allocatedBytes, sharedWith }: Image): string {
  if (allocatedBytes === null) return '-';
  const shared = sharedWith.length > 0 ? `, shared with ${sharedWith.join(', ')}` : '';
  return `${formatSize(allocatedBytes)}${shared}`;
}
