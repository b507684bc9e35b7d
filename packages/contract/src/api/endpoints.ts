/** What each route takes and gives, as types; the daemon parses bodies and queries with the schemas beside them. */
import { z } from 'zod';
import type { GuestPorts, GuestStat } from '../guest/messages.ts';
import type { ConfigShown } from './config.ts';
import type { DiskSpace, Prune, PruneResult } from './disk-space.ts';
import type { TimedCheck } from './doctor.ts';
import type { Image, ImageImport, Kernel, KernelImport, Pull } from './images.ts';
import type { Operation } from './operations.ts';
import type { SshAccess, SshConfig } from './ssh.ts';
import type { DaemonStatus } from './system.ts';
import type { Session, StopResult, Vm, VmCreate, VmRemove, VmRestart, VmSet, VmStart, VmStop } from './vms.ts';
import type {
  Workspace,
  WorkspaceExport,
  WorkspaceExportRequest,
  WorkspaceImportRequest,
  WorkspacePlan,
  WorkspacePlanRequest,
} from './workspaces.ts';

export const filesQuerySchema = z.strictObject({ path: z.string().min(1).max(4096).startsWith('/') });
export const logsQuerySchema = z.strictObject({
  /** Lines from the end; 0 is none */
  tail: z.coerce.number().int().min(0).max(1_000_000).optional(),
  follow: z
    .enum(['true', 'false'])
    .default('false')
    .transform((text) => text === 'true'),
});

export const connectQuerySchema = z.strictObject({ port: z.coerce.number().int().min(1).max(65_535) });

/** `params` in the path, `query`, `body`, and the JSON answer or an operation's result. */
export type Endpoints = {
  daemonStatus: { answer: DaemonStatus };
  daemonStop: { answer: Record<string, never> };
  doctorBoot: { answer: { checks: TimedCheck[] } };
  configShow: { answer: ConfigShown };
  diskSpaceShow: { answer: DiskSpace };
  diskSpacePrune: { body: Prune; answer: PruneResult };
  vmList: { answer: { vms: Vm[] } };
  vmCreate: { body: VmCreate; answer: Vm };
  vmShow: { params: { vm: string }; answer: Vm };
  vmSet: { params: { vm: string }; body: VmSet; answer: Vm };
  vmRemove: { params: { vm: string }; body: VmRemove; answer: Record<string, never> };
  vmStart: { params: { vm: string }; body: VmStart; answer: Vm };
  vmStop: { params: { vm: string }; body: VmStop; answer: StopResult };
  vmKill: { params: { vm: string }; answer: StopResult };
  vmRestart: { params: { vm: string }; body: VmRestart; answer: Vm };
  vmExec: { params: { vm: string } };
  vmSessions: { params: { vm: string }; answer: { sessions: Session[] } };
  vmSessionEnd: { params: { vm: string; session: string }; answer: Record<string, never> };
  vmFilesGet: { params: { vm: string }; query: { path: string } };
  vmFilesPut: { params: { vm: string }; query: { path: string }; answer: Record<string, never> };
  vmStat: { params: { vm: string }; query: { path: string }; answer: GuestStat };
  vmLogs: { params: { vm: string }; query: { tail?: number; follow?: boolean } };
  workspacePlan: { body: WorkspacePlanRequest; answer: WorkspacePlan };
  workspaceImport: { params: { vm: string }; body: WorkspaceImportRequest; answer: Workspace };
  workspaceDiff: { params: { vm: string }; query: { at?: string; patch?: boolean } };
  workspaceExport: { params: { vm: string }; body: WorkspaceExportRequest; answer: WorkspaceExport };
  vmConnect: { params: { vm: string }; query: { port: number } };
  vmPorts: { params: { vm: string }; answer: GuestPorts };
  /** Answers once the vm no longer runs */
  vmWait: { params: { vm: string }; answer: Vm };
  vmSsh: { params: { vm: string }; answer: SshAccess };
  sshConfig: { answer: SshConfig };
  imageList: { answer: { images: Image[] } };
  imageShow: { params: { image: string }; answer: Image };
  imagePull: { body: Pull; answer: Image };
  imageImport: { body: ImageImport; answer: Image };
  imageRemove: { params: { image: string }; answer: Record<string, never> };
  kernelList: { answer: { kernels: Kernel[] } };
  kernelPull: { body: Pull; answer: Kernel };
  kernelImport: { body: KernelImport; answer: Kernel };
  kernelRemove: { params: { kernel: string }; answer: Record<string, never> };
  operationList: { answer: { operations: Operation[] } };
  operationWatch: { params: { operation: string }; answer: unknown };
  operationCancel: { params: { operation: string }; answer: Record<string, never> };
};
