/** A fake home in which images are built: the fake guest's buildah is a script that writes down what it gets. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { writeLayout } from '../../packages/daemon/src/images/oci/sample-layout.ts';
import { sampleTar } from '../../packages/daemon/src/images/sample-tar.ts';
import { createFakeHome } from './fake-home.ts';

const ROOT = sampleTar({ name: 'bin/', type: '5' }, { name: 'bin/sh', content: '#!' });

/** Builds by the word in the Dockerfile; what it was called with is in `calls`, what came in `sent`. */
const buildahIn = (folder: string) => `#!/bin/sh
echo "$*" >>${folder}/calls
case $1 in
build)
  find in | LC_ALL=C sort >${folder}/sent
  echo "STEP 1/2: FROM scratch"
  case $(cat in/Dockerfile) in
  fail) echo 'Error: building at STEP "RUN false": exit status 1'; exit 1 ;;
  wait) echo waiting; exec sleep 1000 ;;
  esac
  echo "--> Using cache 0123"
  echo built >id ;;
push) tar -c -f image.tar -C ${folder}/layout . ;;
esac
`;

export async function createBuildHome(t: TestContext) {
  const home = await createFakeHome(t);
  const tools = join(home.folder, 'tools');
  await mkdir(tools);
  await writeFile(join(tools, 'buildah'), buildahIn(home.folder));
  await chmod(join(tools, 'buildah'), 0o755);
  writeLayout(join(home.folder, 'builder'), [{ layers: [ROOT], config: { Env: [`PATH=${tools}:/usr/bin:/bin`] } }]);
  writeLayout(join(home.folder, 'layout'), [{ layers: [ROOT], config: { Cmd: ['serve'] } }]);
  await home.json(['image', 'import', 'image-builder', join(home.folder, 'builder')]);
  const calls = async () => (await readFile(join(home.folder, 'calls'), 'utf8')).trim().split('\n');
  const sent = () => readFile(join(home.folder, 'sent'), 'utf8');
  return { home, calls, sent };
}
