/** One build in the guest: the context goes in, what buildah says comes out, and then the image as an archive. */
import { Readable } from 'node:stream';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { readTar } from '@banger/contract/tar/read-tar.ts';
import { followCommand, type Guest } from '../guest/guest.ts';
import type { Task } from '../platform/task.ts';
import { createBuildOutput } from './build-output.ts';

/** A tar with the Dockerfile, and `context/` with what it may copy */
export type BuildRequest = {
  tar: Readable;
  target?: string | undefined;
  noCache: boolean;
  pullAlways: boolean;
  args: string[];
};

const MAX_CONTEXT_BYTES = 16 * 2 ** 30;
/** Below the folder of root, which lies on the machine's disk rather than in the overlay */
const WORK = 'banger-build';

// What builds that were cut off have left goes first. The context was chosen on the host already, hence an empty list of what to
// ignore. `docker` is the format that keeps SHELL and HEALTHCHECK.
const SCRIPT = `
set -eu
exec 2>&1
rm -rf ${WORK}
mkdir -p ${WORK}/in ${WORK}/tmp
cd ${WORK}
export TMPDIR="$PWD/tmp"
buildah rm --all >/dev/null
tar -x -f - -C in
: >ignored
buildah build --isolation chroot --layers --format docker --ignorefile ignored --file in/Dockerfile --iidfile id "$@" in/context
rm -rf in
buildah push --quiet "$(cat id)" oci-archive:image.tar
`;

export async function runBuild(task: Task, guest: Guest, request: BuildRequest): Promise<void> {
  task.step('send the context');
  const { env, ...start } = startOf(request);
  const output = createBuildOutput(task);
  const context = bounded(request.tar);
  const exit = await followCommand(task, await guest.exec(task, { ...start, env }), {
    stdin: context.bytes(),
    onStdout: output.add,
    onStderr: output.add,
  }).catch((fault) => {
    throw context.fault() ?? fault;
  });
  output.end();
  if (!('code' in exit) || exit.code !== 0) throw failed(output.lastWords());
}

/** The archive that the build left. */
export async function openResult(task: Task, guest: Guest): Promise<Readable> {
  const { tar } = await guest.readTar(task, `/root/${WORK}/image.tar`);
  return Readable.from(contentOf(tar)).once('close', () => tar.destroy());
}

export async function removeWork(task: Task, guest: Guest): Promise<void> {
  await guest.run(task, ['rm', '-rf', WORK]);
}

function startOf({ target, noCache, pullAlways, args }: BuildRequest) {
  const flags = [
    ...(target === undefined ? [] : ['--target', target]),
    ...(noCache ? ['--no-cache'] : []),
    ...(pullAlways ? ['--pull-always'] : []),
    ...args.flatMap((each) => ['--build-arg', each]),
  ];
  const argv = ['/bin/sh', '-c', SCRIPT, 'build', ...flags];
  return { argv, env: {}, cwd: null, user: null, tty: null, stdin: true, keep: false, image: 'defaults' } as const;
}

function bounded(tar: Readable) {
  let sentBytes = 0;
  let fault: BangerError | null = null;
  return { bytes, fault: () => fault };

  async function* bytes(): AsyncGenerator<Buffer> {
    for await (const chunk of tar as AsyncIterable<Buffer>) {
      sentBytes += chunk.length;
      if (sentBytes > MAX_CONTEXT_BYTES) {
        fault = tooLarge();
        throw fault;
      }
      yield chunk;
    }
  }
}

async function* contentOf(tar: Readable): AsyncGenerator<Uint8Array> {
  for await (const entry of readTar(tar)) {
    let at = 0;
    for await (const piece of entry.body()) {
      if (piece.at !== at) throw failed('its image has holes');
      at += piece.bytes.length;
      yield piece.bytes;
    }
    return;
  }
}

function tooLarge(): BangerError {
  return new BangerError('IMAGE_BUILD_FAILED', {
    message: `The context is larger than ${formatSize(MAX_CONTEXT_BYTES)}.`,
    hint: 'Leave out by .dockerignore what the Dockerfile does not copy.',
  });
}

function failed(why: string): BangerError {
  return new BangerError('IMAGE_BUILD_FAILED', {
    message: `The image could not be built: ${why}`,
    hint: 'What was built before that is kept and used again. "banger system prune" removes the builder with its cache, as when its disk is full.',
  });
}
