/**
 * The door to builds: an image from a Dockerfile and its context, by buildah in a machine of banger's own. Nothing of a build
 * runs on the host, which passes the context in as it comes, and takes the image as it takes any archive.
 *
 * The machine is made when it is first needed, from the catalog, and kept for its cache. It runs while somebody builds,
 * one build at a time.
 */
import type { Image } from '@banger/contract/api/images.ts';
import { BUILDER, isBuilder } from '@banger/contract/builder.ts';
import type { Digest } from '@banger/contract/digest.ts';
import { BangerError } from '@banger/contract/errors.ts';
import type { Images } from '../images/images.ts';
import type { Log } from '../platform/log.ts';
import { createOneAtATime } from '../platform/one-at-a-time.ts';
import { Task } from '../platform/task.ts';
import type { VmRecord } from '../store/records/vms.ts';
import type { Vms } from '../vms/vms.ts';
import { createBuilt } from './built.ts';
import { type BuildRequest, openResult, removeWork, runBuild } from './run-build.ts';

/** Sparse: what is not used of it takes nothing */
const DISK_BYTES = 64 * 2 ** 30;
const STOP_LIMIT_MS = 10_000;

type BuilderParts = {
  vms: Pick<Vms, 'find' | 'nameFor' | 'create' | 'start' | 'stop' | 'use' | 'guest'>;
  images: Pick<Images, 'importSent' | 'find' | 'basePath'>;
  /** Tells what images were built from */
  builtFile: string;
  log: Log;
};

type Request = BuildRequest & { name: string; from?: Digest | undefined };

export type Builder = ReturnType<typeof createBuilder>;

export function createBuilder({ vms, images, builtFile, log }: BuilderParts) {
  const built = createBuilt(builtFile);
  const oneAtATime = createOneAtATime();
  /** Builds that run or wait */
  let wanted = 0;
  return { build, isBuilt, isRebuilt: built.has };

  /** Whether the image of this name is there, as it was built from that. */
  function isBuilt(name: string, from: Digest): boolean {
    try {
      const image = images.find(name);
      return built.isFrom(image, from) && images.basePath(image.digest) !== '';
    } catch {
      return false; // there is none of that name, or its files are gone
    }
  }

  /** Destroys the request's tar unless it read all of it. Throws IMAGE_BUILD_FAILED. */
  async function build(task: Task, request: Request): Promise<Image> {
    wanted++;
    try {
      return await oneAtATime.run(task, BUILDER, () => buildNow(task, request));
    } finally {
      request.tar.destroy();
      if (--wanted === 0) await rest();
    }
  }

  async function buildNow(task: Task, { name, from, ...request }: Request): Promise<Image> {
    task.step('start the builder');
    await startBuilder(task);
    using _use = vms.use(BUILDER);
    const guest = await vms.guest(task, BUILDER);
    await runBuild(task, guest, request);
    const image = await images.importSent(task, { name, tar: await openResult(task, guest) });
    if (from !== undefined && image.digest !== null) await remember({ name, from, digest: image.digest as Digest });
    await removeWork(task, guest);
    return image;
  }

  async function remember(note: Parameters<typeof built.add>[0]): Promise<void> {
    await built.add(note).catch((fault) => log.warn(`what ${note.name} was built from could not be written`, fault));
  }

  async function startBuilder(task: Task): Promise<void> {
    const found = findBuilder();
    if (found === null) {
      const name = vms.nameFor(BUILDER);
      await vms.create(task, { name, image: BUILDER, diskBytes: DISK_BYTES, start: true });
    } else if (isBuilder(found)) await vms.start(task, BUILDER);
    else {
      throw new BangerError('VM_EXISTS', {
        message: `Images are built in a vm named "${BUILDER}", and yours of that name was made from "${found.imageName}".`,
        hint: `What you need of it "banger vm cp" brings out; "banger vm rm ${BUILDER}" makes room.`,
        details: { name: BUILDER },
      });
    }
  }

  /** Whoever builds next finds it as it is when their turn comes: what is asked of a vm queues. */
  async function rest(): Promise<void> {
    const found = findBuilder();
    if (found === null || !isBuilder(found) || found.state.is !== 'running') return;
    await vms
      .stop(Task.background(), BUILDER, STOP_LIMIT_MS)
      .catch((fault) => log.warn('the builder could not be stopped', fault));
  }

  function findBuilder(): VmRecord | null {
    try {
      return vms.find(BUILDER);
    } catch {
      return null; // it is made when it is needed
    }
  }
}
