/**
 * What goes in and out of each route: `query` and `body` as the daemon parses them, `answer` as it sends it, which is the
 * result of an operation where the route begins one, and each of the events where there are many. A route without a query or a body takes none.
 *
 * Only the daemon loads this file. The client has its types, which cost nothing: loading zod takes longer than most
 * commands.
 */
import { z } from 'zod';
import { guestPortsSchema, guestStatSchema, sessionInfoSchema } from '../guest/messages.ts';
import { configShownSchema } from './config.ts';
import { diskSpaceSchema, pruneResultSchema, pruneSchema } from './disk-space.ts';
import { timedCheckSchema } from './doctor.ts';
import { eventSchema } from './events.ts';
import { hypervisorPullSchema, hypervisorSchema } from './hypervisors.ts';
import {
  imageBuildQuerySchema,
  imageBuiltQuerySchema,
  imageBuiltSchema,
  imageImportSchema,
  imagePullSchema,
  imagePutQuerySchema,
  imageSchema,
  kernelImportSchema,
  kernelSchema,
  pullSchema,
} from './images.ts';
import { operationSchema } from './operations.ts';
import type { ParamOf, ROUTES, RouteName } from './routes.ts';
import { sshAccessSchema, sshConfigSchema } from './ssh.ts';
import { statsQuerySchema, statsSampleSchema } from './stats.ts';
import { daemonStatusSchema } from './system.ts';
import {
  connectQuerySchema,
  filesQuerySchema,
  logsQuerySchema,
  stopResultSchema,
  vmCommitSchema,
  vmCreateSchema,
  vmRemoveSchema,
  vmRestartSchema,
  vmSchema,
  vmSetSchema,
  vmStartSchema,
  vmStopSchema,
} from './vms.ts';
import {
  workspaceExportedSchema,
  workspaceExportSchema,
  workspaceImportSchema,
  workspacePlannedSchema,
  workspacePlanSchema,
  workspaceQuerySchema,
  workspaceSchema,
} from './workspaces.ts';

type RouteSchemas = { query?: z.ZodType; body?: z.ZodType; answer?: z.ZodType };

const nothing = z.object({});

export const SCHEMAS = {
  daemonStatus: { answer: daemonStatusSchema },
  daemonStop: { answer: nothing },

  doctorBoot: { answer: z.object({ checks: z.array(timedCheckSchema) }) },
  configShow: { answer: configShownSchema },

  diskSpaceShow: { answer: diskSpaceSchema },
  diskSpacePrune: { body: pruneSchema, answer: pruneResultSchema },

  vmList: { answer: z.object({ vms: z.array(vmSchema) }) },
  vmCreate: { body: vmCreateSchema, answer: vmSchema },
  vmShow: { answer: vmSchema },
  vmSet: { body: vmSetSchema, answer: vmSchema },
  vmRemove: { body: vmRemoveSchema, answer: nothing },
  vmStart: { body: vmStartSchema, answer: vmSchema },
  vmCommit: { body: vmCommitSchema, answer: imageSchema },
  vmStop: { body: vmStopSchema, answer: stopResultSchema },
  vmKill: { answer: stopResultSchema },
  vmRestart: { body: vmRestartSchema, answer: vmSchema },
  vmExec: {},
  vmSessions: { answer: z.object({ sessions: z.array(sessionInfoSchema) }) },
  vmSessionEnd: { answer: nothing },
  vmFilesGet: { query: filesQuerySchema },
  vmFilesPut: { query: filesQuerySchema, answer: nothing },
  vmStat: { query: filesQuerySchema, answer: guestStatSchema },
  vmLogs: { query: logsQuerySchema },
  vmConnect: { query: connectQuerySchema },
  vmPorts: { answer: guestPortsSchema },
  /** Answers once the vm no longer runs */
  vmWait: { answer: vmSchema },
  vmSsh: { answer: sshAccessSchema },
  /** Ends by itself when all that were named are gone */
  vmStats: { query: statsQuerySchema, answer: statsSampleSchema },

  sshConfig: { answer: sshConfigSchema },

  workspacePlan: { body: workspacePlanSchema, answer: workspacePlannedSchema },
  workspaceImport: { body: workspaceImportSchema, answer: workspaceSchema },
  workspaceDiff: { query: workspaceQuerySchema },
  workspaceExport: { body: workspaceExportSchema, answer: workspaceExportedSchema },

  imageList: { answer: z.object({ images: z.array(imageSchema) }) },
  imageShow: { answer: imageSchema },
  imagePull: { body: imagePullSchema, answer: imageSchema },
  imageImport: { body: imageImportSchema, answer: imageSchema },
  imageExport: {},
  /** An import of what is sent, under the name in the path */
  imagePut: { query: imagePutQuerySchema, answer: imageSchema },
  /** Of a tar with the Dockerfile and `context/`; the image gets the name in the path */
  imageBuild: { query: imageBuildQuerySchema, answer: imageSchema },
  imageBuilt: { query: imageBuiltQuerySchema, answer: imageBuiltSchema },
  imageRemove: { answer: nothing },

  kernelList: { answer: z.object({ kernels: z.array(kernelSchema) }) },
  kernelPull: { body: pullSchema, answer: kernelSchema },
  kernelImport: { body: kernelImportSchema, answer: kernelSchema },
  kernelRemove: { answer: nothing },

  hypervisorList: { answer: z.object({ hypervisors: z.array(hypervisorSchema) }) },
  hypervisorPull: { body: hypervisorPullSchema, answer: hypervisorSchema },

  eventList: { answer: eventSchema },

  operationList: { answer: z.object({ operations: z.array(operationSchema) }) },
  /** The result is that of the route which began the operation */
  operationWatch: { answer: z.unknown() },
  operationCancel: { answer: nothing },
} as const satisfies Record<RouteName, RouteSchemas>;

export function schemasOf(name: RouteName): RouteSchemas {
  return SCHEMAS[name];
}

type Schemas = typeof SCHEMAS;
type Nothing = Record<never, never>;
type In<Name extends RouteName, Part extends keyof RouteSchemas> =
  Schemas[Name] extends Record<Part, infer Schema extends z.ZodType> ? z.input<Schema> : Nothing;
type Out<Name extends RouteName, Part extends keyof RouteSchemas> =
  Schemas[Name] extends Record<Part, infer Schema extends z.ZodType> ? z.output<Schema> : Nothing;

export type ParamsOf<Name extends RouteName> = { [Param in ParamOf<(typeof ROUTES)[Name]['path']>]: string };

/** As the daemon has them, after parsing */
export type QueryOf<Name extends RouteName> = Out<Name, 'query'>;
export type BodyOf<Name extends RouteName> = Out<Name, 'body'>;
export type AnswerOf<Name extends RouteName> = Out<Name, 'answer'>;

/** As a caller gives them: what has a default may be left out, and a query is of values rather than of texts */
export type GivenBody<Name extends RouteName> = In<Name, 'body'>;
export type GivenQuery<Name extends RouteName> = {
  [Key in keyof In<Name, 'query'>]: Key extends keyof QueryOf<Name> ? QueryOf<Name>[Key] : never;
};
