/** Story: a Dockerfile becomes an image, with buildah in a machine that banger makes for it. */
import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Image } from '@banger/contract/api/images.ts';
import { createHome } from '../support/banger-home.ts';
import { readBusybox } from '../support/busybox-image.ts';
import { createRepository } from '../support/sample-repository.ts';

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

const DEVCONTAINER_DOCKERFILE = `FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox --install -s /bin"]
SHELL ["/bin/busybox", "sh", "-ec"]
RUN mkdir -p /etc; printf 'root:x:0:0::/root:/bin/sh\\ndev:x:1000:1000::/home/dev:/bin/sh\\n' >/etc/passwd
ENV PATH=/bin
CMD ["never"]
`;

const DEVCONTAINER = `{
  // who works here
  "build": { "dockerfile": "Dockerfile", "context": ".." },
  "remoteUser": "dev",
  "containerEnv": { "MODE": "with words" },
  "remoteEnv": { "PATH": "\${containerEnv:PATH}:/opt/bin" },
  "onCreateCommand": "id -un >who; echo $MODE >>who",
  "postCreateCommand": { "a": ["touch", "a"], "b": "touch b" },
}
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

  await t.test('a repository gets the machine that its devcontainer.json asks for', async () => {
    const repo = createRepository(join(home.folder, 'asks'));
    repo.write('busybox', await readBusybox());
    await chmod(join(repo.path, 'busybox'), 0o755);
    repo.write('.devcontainer/Dockerfile', DEVCONTAINER_DOCKERFILE);
    repo.write('.devcontainer/devcontainer.json', DEVCONTAINER);
    repo.commit('asks for a machine');
    const run = ['vm', 'run', '--devcontainer', '--memory', '128M', '--disk-size', '256M', '--name', 'asks', repo.path];
    const asked = await home.run([...run, '--', 'sh', '-c', 'pwd; cat who; ls a b; stat -c %U .; echo "$MODE $PATH"']);
    assert.equal(
      asked.stdout,
      '/workspaces/asks\ndev\nwith words\na\nb\ndev\nwith words /bin:/opt/bin\n',
      asked.stderr,
    );
    const later = await home.run(['vm', 'exec', 'asks', '--', 'sh', '-c', 'echo "$MODE"']);
    assert.equal(later.stdout, 'with words\n', later.stderr);
    await home.json(['vm', 'rm', '--force', 'asks']);
    const second = await home.run([...run, '--rm', '--', 'cat', 'who']);
    assert.equal(second.stdout, 'dev\nwith words\n', second.stderr);
    assert.match(second.stderr, /^image: asks-devcontainer-[0-9a-f]{8}, built before$/m);
    const anew = await home.run([...run, '--rm', '--pull', 'always', '--', 'true']);
    assert.deepEqual([anew.code, anew.stderr.includes('Using cache')], [0, true], anew.stderr);
  });
  await home.json(['vm', 'rm', 'image-builder']);
});
