import { BangerError } from '@banger/contract/errors.ts';
import { openGuestOutput } from '../../guest-output.ts';
import { untilInterrupted } from '../../interrupts.ts';
import type { Run } from '../../load-command.ts';
import { EXIT_BROKEN_PIPE } from '../../output/terminal.ts';
import { findPlace, writeWhole } from '../../write-whole.ts';

export const run: Run<'image export'> = async (cli, { arguments: { image, file }, flags: { force } }) => {
  const isStdout = file === '-';
  if (isStdout && cli.terminal.isStdoutTty) throw intoTerminal(image);
  const place = isStdout ? null : await findPlace(cli.absolutePath(file), force);
  const signal = untilInterrupted();
  const archive = await cli.client.imageExport({ image }, { signal });
  if (place === null) return printAll(archive);
  await writeWhole(place, archive, { signal });
  if (cli.isJson) cli.printJson({ file: place.path });
  else cli.note(`Written to ${place.path}; "skopeo copy oci-archive:${place.path} …" and "podman load" read it.`);
  return 0;
};

async function printAll(archive: AsyncIterable<Uint8Array>): Promise<number> {
  const stdout = openGuestOutput(1);
  const write = async () => {
    for await (const bytes of archive) await stdout.write(bytes);
    await stdout.flush();
    return 0;
  };
  return Promise.race([write(), stdout.broken.then(() => EXIT_BROKEN_PIPE)]);
}

function intoTerminal(image: string): BangerError {
  return new BangerError('USAGE', {
    message: 'An archive is not for a terminal.',
    hint: `Name a file, or the program that reads it: banger image export ${image} - | podman load`,
  });
}
