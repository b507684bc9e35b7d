/** Routes of images and kernels. */
import { parseCatalogName } from '@banger/contract/names.ts';
import type { Builder } from '../builder/builder.ts';
import type { Images } from '../images/images.ts';
import type { Kernels } from '../kernels/kernels.ts';
import type { Operations } from '../operations/operations.ts';
import { type Handlers, whileAsked } from './handlers.ts';

type ImageRoutes = Extract<keyof Handlers, `image${string}` | `kernel${string}`>;
type Parts = { images: Images; builder: Builder; kernels: Kernels; operations: Operations };

export function imageHandlers({ images, builder, kernels, operations }: Parts): Handlers<ImageRoutes> {
  return {
    imageList: async () => ({ images: await images.list() }),
    imageShow: (call) => images.show(call.params.image),
    imagePull: (call) => {
      const { name, ...options } = call.body;
      return { operation: operations.begin('image.pull', name, (task) => images.pull(task, name, options)) };
    },
    imageImport: (call) => {
      const request = call.body;
      return {
        operation: operations.begin('image.import', request.name, (task) => images.importFile(task, request)),
      };
    },
    imagePut: ({ params, query, tar }) => {
      const name = params.image;
      const sent = { name, tar, ...query };
      const operation = operations.begin('image.import', name, (task) => images.importSent(task, sent));
      return { operation, onLeave: () => tar.readableEnded || operation.cancel() };
    },
    imageBuild: ({ params, query: { args, ...query }, tar }) => {
      const name = parseCatalogName(params.image);
      const request = { name, tar, ...query, args: args === '' ? [] : args.split('\0') };
      const operation = operations.begin('image.build', name, (task) => builder.build(task, request));
      return { operation, onLeave: operation.cancel };
    },
    imageBuilt: ({ params, query }) => ({ isBuilt: builder.isBuilt(params.image, query.from) }),
    imageExport: (call) => images.exportImage(whileAsked(call), call.params.image),
    imageRemove: (call) => {
      const name = call.params.image;
      return {
        operation: operations.begin('image.remove', name, async (task) => {
          await images.remove(task, name);
          return {};
        }),
      };
    },
    kernelList: async () => ({ kernels: await kernels.list() }),
    kernelPull: (call) => {
      const { name, force } = call.body;
      return { operation: operations.begin('kernel.pull', name, (task) => kernels.pull(task, name, { force })) };
    },
    kernelImport: (call) => {
      const { modulesPath, ...request } = call.body;
      const given = { ...request, ...(modulesPath !== undefined && { modulesPath }) };
      return {
        operation: operations.begin('kernel.import', request.name, (task) => kernels.importKernel(task, given)),
      };
    },
    kernelRemove: (call) => {
      const name = call.params.kernel;
      return {
        operation: operations.begin('kernel.remove', name, async (task) => {
          await kernels.remove(task, name);
          return {};
        }),
      };
    },
  };
}
