/**
 * The door to registries: what one has under a name, and its layers on this disk.
 *
 * One image is fetched at a time, its layers side by side: two that share layers would fetch them twice. Who gives up, or
 * is killed, leaves whole layers and nothing else, and the next one goes on from there.
 */
import { join } from 'node:path';
import type { Digest } from '@banger/contract/digest.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { canonicalRef, familiarRef, type ImageRef } from '@banger/contract/image-ref.ts';
import type { RegistryAccess } from '@banger/contract/registry-access.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { createOneAtATime } from '../../platform/one-at-a-time.ts';
import type { Task } from '../../platform/task.ts';
import { createLayerCache, type PullFolder } from './layer-cache.ts';
import { type Blob, type RemoteImage, readManifest } from './manifest.ts';
import { createSkopeo, type SkopeoParts } from './skopeo.ts';

const LIMITS = {
  /** An index of indexes ends there */
  indexes: 3,
  lookMs: 250,
  /** Nothing came for so long: nobody waits for more */
  silentMs: 180_000,
  /** For all layers of an image: others wait meanwhile */
  wholeMs: 12 * 3_600_000,
};

export type RegistryParts = SkopeoParts & {
  /** Of the layers that are kept */
  folder: string;
  limits?: Partial<typeof LIMITS>;
};

/** What a registry has under a name for this kind of machine */
export type Remote = RemoteImage & {
  /** By its digest, so that it stays what was looked at */
  pinned: ImageRef;
  name: string;
  ref: string;
};

/** What was fetched, for as long as it is not disposed of */
export type Fetched = AsyncDisposable & {
  index: string;
  blobs: string;
  /** Called when what is there cannot be used: it is fetched anew next time */
  distrust: () => Promise<void>;
};

export type Registry = ReturnType<typeof createRegistry>;

export function createRegistry({ folder, limits: own = {}, ...parts }: RegistryParts) {
  const limits = { ...LIMITS, ...own };
  const skopeo = createSkopeo(parts);
  const cache = createLayerCache(folder);
  const oneAtATime = createOneAtATime();
  let fetching: string | null = null;
  return { look, fetch, sweep: cache.sweep };

  /** Asks what the name means today. Throws IMAGE_NOT_FOUND, IMAGE_PLATFORM, IMAGE_UNSUPPORTED, IMAGE_MISMATCH, CREDENTIALS_UNREADABLE, REGISTRY_…. */
  async function look(task: Task, ref: ImageRef, access: RegistryAccess): Promise<Remote> {
    const name = familiarRef(ref);
    task.step(`ask ${ref.registry} for ${name}`);
    await using pull = await cache.begin([]);
    let asked = ref;
    for (let indexes = 0; ; indexes++) {
      const bytes = await skopeo.inspect(task, { ref: asked, access, scratch: pull.scratch });
      const found = readManifest(bytes, name);
      if (asked.digest !== null && asked.digest !== found.digest) throw mismatch(name, ref.registry);
      if (found.is === 'image') {
        return { ...found, pinned: pin(ref, found.digest), name, ref: canonicalRef(ref) };
      }
      if (indexes === limits.indexes) throw tooDeep(name, limits.indexes);
      asked = pin(ref, found.amd64);
    }
  }

  /** Throws as `look` does, and DISK_FULL. */
  async function fetch(task: Task, remote: Remote, access: RegistryAccess): Promise<Fetched> {
    const pull = await cache.begin(remote.blobs);
    try {
      if (fetching !== null) task.step(`wait until ${fetching} is fetched`);
      await oneAtATime.run(task, 'fetch', async () => {
        fetching = remote.name;
        try {
          await pull.makeRoom();
          const missing = await pull.missing();
          task.step(describeFetch(remote, missing));
          await copy(task, { remote, access, pull, missing });
        } finally {
          fetching = null;
        }
      });
    } catch (fault) {
      await pull[Symbol.asyncDispose]();
      throw fault;
    }
    const { blobs, layout, distrust } = pull;
    return { index: join(layout, 'index.json'), blobs, distrust, [Symbol.asyncDispose]: pull[Symbol.asyncDispose] };
  }

  type Wanted = { remote: Remote; access: RegistryAccess; pull: PullFolder; missing: Blob[] };

  async function copy(task: Task, { remote, access, pull, missing }: Wanted): Promise<void> {
    const totalBytes = missing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const largestBytes = missing.reduce((most, { sizeBytes }) => Math.max(most, sizeBytes), 0);
    const silence = new AbortController();
    let [gotBytes, changedMs] = [0, performance.now()];
    const onWait = () => {
      changedMs = performance.now();
    };
    const watching = watchEvery(limits.lookMs, async () => {
      const { bytes, whole } = await pull.measure(missing);
      if (bytes > gotBytes) [gotBytes, changedMs] = [bytes, performance.now()];
      else if (performance.now() - changedMs > limits.silentMs) silence.abort();
      task.progress(Math.min(gotBytes, totalBytes), totalBytes, 'bytes', describeWhole(whole, missing.length));
    });
    try {
      await skopeo.copy(
        task.withSignal(silence.signal).within(limits.wholeMs),
        { ref: remote.pinned, access, scratch: pull.scratch },
        { blobs: pull.blobs, largestBytes, onWait },
      );
      task.progress(totalBytes, totalBytes, 'bytes', describeWhole(missing.length, missing.length));
    } catch (fault) {
      task.check();
      if (silence.signal.aborted) throw silent(remote, limits.silentMs);
      throw fault;
    } finally {
      await watching.stop();
    }
  }
}

function pin(ref: ImageRef, digest: Digest): ImageRef {
  return { ...ref, tag: null, digest };
}

function describeFetch({ name, blobs }: Remote, missing: readonly Blob[]): string {
  const here = blobs.length - missing.length;
  if (missing.length === 0) return `take the layers of ${name}, which are all here`;
  const bytes = missing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return `fetch ${name}: ${missing.length} ${missing.length === 1 ? 'part' : 'parts'}, ${formatSize(bytes)}${here > 0 ? `; ${here} here already` : ''}`;
}

function describeWhole(whole: number, of: number): string {
  return `${whole} of ${of} whole`;
}

/** Looks one after another, and is over when `stop` is. */
function watchEvery(ms: number, look: () => Promise<void>): { stop: () => Promise<void> } {
  let looking: Promise<void> | null = null;
  const timer = setInterval(() => {
    looking ??= look()
      .catch(() => {}) // what cannot be looked at now is looked at again
      .finally(() => {
        looking = null;
      });
  }, ms);
  return {
    stop: async () => {
      clearInterval(timer);
      await looking;
    },
  };
}

function mismatch(name: string, registry: string): BangerError {
  return new BangerError('IMAGE_MISMATCH', {
    message: `What ${registry} sent for "${name}" is not what its digest says.`,
    hint: 'Nothing of it was kept. Try again; if it stays so, the registry or a proxy before it is at fault.',
    details: { image: name, registry },
  });
}

function tooDeep(name: string, indexes: number): BangerError {
  return new BangerError('IMAGE_UNSUPPORTED', {
    message: `"${name}" leads from index to index, more than ${indexes} times.`,
    hint: 'Name the image itself, by its digest.',
    details: { image: name },
  });
}

function silent({ name, pinned: { registry } }: Remote, silentMs: number): BangerError {
  return new BangerError('REGISTRY_UNREACHABLE', {
    message: `Nothing more of "${name}" came from ${registry} for ${silentMs / 60_000} minutes.`,
    hint: 'Layers that are whole are kept for the next try.',
    details: { image: name, registry },
  });
}
