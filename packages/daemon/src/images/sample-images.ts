/** For tests: images in a folder of their own, with the catalog of this checkout. */
import { join } from 'node:path';
import { createLog } from '../platform/log.ts';
import type { Store } from '../store/store.ts';
import { createImages, type Images, type ImagesParts } from './images.ts';

const CATALOG = join(import.meta.dirname, '../../../../catalog');

type Sample = { home: string; store: Store } & Partial<Pick<ImagesParts, 'usedBy' | 'areVmsKnown'>>;

export function createSampleImages({ home, store, usedBy = () => [], areVmsKnown = () => true }: Sample): Images {
  return createImages({
    records: store.images,
    folder: join(home, 'images'),
    catalogFolder: CATALOG,
    usedBy,
    areVmsKnown,
    registry: {
      ...{ folder: join(home, 'oci'), home, proxies: {}, nowMs: Date.now },
      readInsecure: async () => [],
    },
    log: createLog(() => {}),
    now: () => new Date(0),
  });
}
