/** Routes of images and kernels. */
import { imageImportSchema, kernelImportSchema, pullSchema } from '@banger/contract/api/images.ts';
import type { Images } from '../images/images.ts';
import type { Kernels } from '../kernels/kernels.ts';
import type { Operations } from '../operations/operations.ts';
import type { Handlers } from './handlers.ts';

type ImageRoutes = Extract<keyof Handlers, `image${string}` | `kernel${string}`>;
type Parts = { images: Images; kernels: Kernels; operations: Operations };

export function imageHandlers({ images, kernels, operations }: Parts): Handlers<ImageRoutes> {
  return {
    imageList: async () => ({ images: await images.list() }),
    imageShow: async (call) => images.show(call.param('image')),
    imagePull: async (call) => {
      const { name, force } = await call.body(pullSchema);
      return { operation: operations.begin('image.pull', name, (task) => images.pull(task, name, { force })) };
    },
    imageImport: async (call) => {
      const request = await call.body(imageImportSchema);
      return {
        operation: operations.begin('image.import', request.name, (task) => images.importTarball(task, request)),
      };
    },
    imageRemove: (call) => {
      const name = call.param('image');
      return {
        operation: operations.begin('image.remove', name, async (task) => {
          await images.remove(task, name);
          return {};
        }),
      };
    },
    kernelList: async () => ({ kernels: await kernels.list() }),
    kernelPull: async (call) => {
      const { name, force } = await call.body(pullSchema);
      return { operation: operations.begin('kernel.pull', name, (task) => kernels.pull(task, name, { force })) };
    },
    kernelImport: async (call) => {
      const { modulesPath, ...request } = await call.body(kernelImportSchema);
      const given = { ...request, ...(modulesPath !== undefined && { modulesPath }) };
      return {
        operation: operations.begin('kernel.import', request.name, (task) => kernels.importKernel(task, given)),
      };
    },
    kernelRemove: (call) => {
      const name = call.param('kernel');
      return {
        operation: operations.begin('kernel.remove', name, async (task) => {
          await kernels.remove(task, name);
          return {};
        }),
      };
    },
  };
}
