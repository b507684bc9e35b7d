/**
 * Images, kernels and hypervisors as a daemon of this folder's state has them. As a program it takes one in and ends:
 * `import-base.ts image|sent|pull|kernel|hypervisor <folder> <name> <file>`, where `sent` is an image that comes by a stream, and
 * `pull` takes the file of credentials for the registry that the name names. A test kills that
 * as it would the daemon, which takes longer to start.
 */
import { createReadStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createImages } from '../../packages/daemon/src/images/images.ts';
import { createKernels } from '../../packages/daemon/src/kernels/kernels.ts';
import { createLog } from '../../packages/daemon/src/platform/log.ts';
import { Task } from '../../packages/daemon/src/platform/task.ts';
import { createReleases } from '../../packages/daemon/src/releases/releases.ts';
import { openStore } from '../../packages/daemon/src/store/store.ts';
import { CHECKOUT } from './banger-home.ts';

export function openBases(folder: string) {
  mkdirSync(folder, { recursive: true });
  const store = openStore(join(folder, 'state.sqlite'));
  const services = {
    ...{ catalogFolder: join(CHECKOUT, 'catalog'), usedBy: () => [], areVmsKnown: () => true },
    ...{ log: createLog(() => {}), now: () => new Date() },
  };
  const images = createImages({
    ...{ ...services, records: store.images, folder: join(folder, 'images') },
    registry: {
      ...{ folder: join(folder, 'cache/oci'), home: folder, proxies: {}, nowMs: Date.now },
      readInsecure: async () => [],
    },
  });
  const kernels = createKernels({
    ...{ ...services, records: store.kernels, folder: join(folder, 'kernels') },
    ...{ cacheFolder: join(folder, 'cache'), agentPath: join(folder, 'agent') },
  });
  const releases = createReleases({
    ...{ ...services, folder: join(folder, 'hypervisors') },
    ...{ fetching: { hostRoot: folder, proxies: {} }, readAddress: async () => null },
  });
  return { images, kernels, releases, close: store.close };
}

if (import.meta.main) {
  const [kind, folder = '', name = '', path = ''] = process.argv.slice(2);
  const { images, kernels, releases, close } = openBases(folder);
  if (kind === 'image') await images.importFile(Task.background(), { name, path });
  else if (kind === 'sent') await images.importSent(Task.background(), { name, tar: createReadStream(path) });
  else if (kind === 'pull') await images.pull(Task.background(), name, { access: accessBy(path) });
  else if (kind === 'hypervisor') await releases.pull(Task.background(), name, { from: path, force: true });
  else await kernels.importKernel(Task.background(), { name, path });
  close();
}

/** The certificate of a test's registry lies beside its credentials. */
function accessBy(authFile: string) {
  return { REGISTRY_AUTH_FILE: authFile, SSL_CERT_FILE: join(authFile, '../certificate.pem') };
}
