/** Story: a Dockerfile becomes an image, with buildah in a machine that banger makes for it. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Image } from '@banger/contract/api/images.ts';
import { createHome } from '../support/banger-home.ts';
import { readBusybox } from '../support/busybox-image.ts';

const DOCKERFILE = `FROM scratch AS base
ARG WORD=none
ENV SAID=$WORD
COPY busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox --install -s /bin"]
SHELL ["/bin/busybox", "sh", "-ec"]
RUN mkdir -p /etc; echo root:x:0:0::/root:/bin/sh >/etc/passwd; echo "$SAID" >/word

FROM base AS other
RUN echo of another stage >/other

FROM base
COPY . /context
COPY --from=other /other /other
WORKDIR /context
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["echo $SAID; cat /word /other; find . | sort"]
`;

test('a Dockerfile becomes an image that runs, and the next build uses what was built', async (t) => {
  const home = await createHome(t);
  const context = join(home.folder, 'app');
  await mkdir(join(context, 'kept'), { recursive: true });
  await writeFile(join(context, 'busybox'), await readBusybox(), { mode: 0o755 });
  await writeFile(join(context, 'Dockerfile'), DOCKERFILE);
  await writeFile(join(context, '.dockerignore'), '*\n!busybox\n!kept');
  await writeFile(join(context, 'kept/file'), 'x');
  await writeFile(join(context, 'secret'), 'x');

  const build = ['image', 'build', '--build-arg', 'WORD=hello', context];
  const first = await home.run(build);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stderr, /· \[\d\/3\] STEP 2\/2: RUN echo of another stage/);
  const image = await home.json<Image>(['image', 'show', 'app']);
  assert.deepEqual([image.config?.workingDir, image.config?.entrypoint], ['/context', ['/bin/sh', '-c']]);

  const small = ['--image', 'app', '--memory', '128M', '--disk-size', '256M'];
  const { stdout, stderr } = await home.run(['vm', 'run', '--rm', ...small]);
  assert.equal(stdout, 'hello\nhello\nof another stage\n.\n./busybox\n./kept\n./kept/file\n', stderr);

  const again = await home.run(build);
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /Using cache/);
  assert.equal(
    (await home.json<Image>(['image', 'show', 'app'])).digest,
    image.digest,
    'built from the cache it is the same',
  );
  await home.json(['vm', 'rm', 'image-builder']);
});
