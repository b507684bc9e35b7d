/**
 * The owner API's table of routes: plain HTTP over the daemon's unix socket. Data only, so that the client can load it
 * without the schemas; `schemas.ts` says what goes in and out of each.
 *
 * `operation` answers 202 with `application/x-ndjson`, one OperationEvent a line; the work goes on when the caller
 * leaves, except for an ephemeral vm, and for a tar of which the rest is still to come. `frames` upgrades the connection
 * to a stream of frames (`Upgrade: banger-frames`), `tcp` to the plain bytes of a TCP connection inside the guest
 * (`Upgrade: banger-tcp`).
 * `events` answers 200 with the same type, one event a line, until the caller leaves. `tar` carries a tar stream in
 * the body. A route that does not say what it `takes` takes JSON, or nothing.
 *
 * A GET changes nothing.
 */
export type Route = {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  takes?: 'tar';
  answers: 'json' | 'operation' | 'events' | 'tar' | 'text' | 'frames' | 'tcp';
};

export const ROUTES = {
  daemonStatus: { method: 'GET', path: '/v1/daemon', answers: 'json' },
  daemonStop: { method: 'POST', path: '/v1/daemon/stop', answers: 'json' },

  doctorBoot: { method: 'POST', path: '/v1/doctor/boot', answers: 'operation' },
  configShow: { method: 'GET', path: '/v1/config', answers: 'json' },

  diskSpaceShow: { method: 'GET', path: '/v1/disk-space', answers: 'json' },
  diskSpacePrune: { method: 'POST', path: '/v1/disk-space/prune', answers: 'operation' },

  vmList: { method: 'GET', path: '/v1/vms', answers: 'json' },
  vmCreate: { method: 'POST', path: '/v1/vms', answers: 'operation' },
  vmShow: { method: 'GET', path: '/v1/vms/:vm', answers: 'json' },
  vmSet: { method: 'PATCH', path: '/v1/vms/:vm', answers: 'operation' },
  vmRemove: { method: 'POST', path: '/v1/vms/:vm/remove', answers: 'operation' },
  vmStart: { method: 'POST', path: '/v1/vms/:vm/start', answers: 'operation' },
  vmCommit: { method: 'POST', path: '/v1/vms/:vm/commit', answers: 'operation' },
  vmStop: { method: 'POST', path: '/v1/vms/:vm/stop', answers: 'operation' },
  vmKill: { method: 'POST', path: '/v1/vms/:vm/kill', answers: 'operation' },
  vmRestart: { method: 'POST', path: '/v1/vms/:vm/restart', answers: 'operation' },
  vmExec: { method: 'POST', path: '/v1/vms/:vm/exec', answers: 'frames' },
  vmSessions: { method: 'GET', path: '/v1/vms/:vm/sessions', answers: 'json' },
  vmSessionEnd: { method: 'DELETE', path: '/v1/vms/:vm/sessions/:session', answers: 'json' },
  vmFilesGet: { method: 'GET', path: '/v1/vms/:vm/files', answers: 'tar' },
  vmFilesPut: { method: 'PUT', path: '/v1/vms/:vm/files', takes: 'tar', answers: 'json' },
  vmStat: { method: 'GET', path: '/v1/vms/:vm/stat', answers: 'json' },
  vmLogs: { method: 'GET', path: '/v1/vms/:vm/logs', answers: 'text' },
  vmConnect: { method: 'POST', path: '/v1/vms/:vm/connect', answers: 'tcp' },
  vmPorts: { method: 'GET', path: '/v1/vms/:vm/ports', answers: 'json' },
  vmWait: { method: 'GET', path: '/v1/vms/:vm/wait', answers: 'json' },
  vmSsh: { method: 'POST', path: '/v1/vms/:vm/ssh', answers: 'json' },
  vmStats: { method: 'GET', path: '/v1/stats', answers: 'events' },

  sshConfig: { method: 'GET', path: '/v1/ssh', answers: 'json' },

  workspacePlan: { method: 'POST', path: '/v1/workspaces/plan', answers: 'json' },
  workspaceImport: { method: 'POST', path: '/v1/vms/:vm/workspace/import', answers: 'operation' },
  workspaceDiff: { method: 'GET', path: '/v1/vms/:vm/workspace/diff', answers: 'text' },
  workspaceExport: { method: 'POST', path: '/v1/vms/:vm/workspace/export', answers: 'operation' },

  imageList: { method: 'GET', path: '/v1/images', answers: 'json' },
  imageShow: { method: 'GET', path: '/v1/images/:image', answers: 'json' },
  imagePull: { method: 'POST', path: '/v1/images/pull', answers: 'operation' },
  imageImport: { method: 'POST', path: '/v1/images/import', answers: 'operation' },
  imageExport: { method: 'GET', path: '/v1/images/:image/archive', answers: 'tar' },
  imagePut: { method: 'PUT', path: '/v1/images/:image', takes: 'tar', answers: 'operation' },
  imageBuild: { method: 'PUT', path: '/v1/images/:image/build', takes: 'tar', answers: 'operation' },
  imageBuilt: { method: 'GET', path: '/v1/images/:image/built', answers: 'json' },
  imageRemove: { method: 'POST', path: '/v1/images/:image/remove', answers: 'operation' },

  kernelList: { method: 'GET', path: '/v1/kernels', answers: 'json' },
  kernelPull: { method: 'POST', path: '/v1/kernels/pull', answers: 'operation' },
  kernelImport: { method: 'POST', path: '/v1/kernels/import', answers: 'operation' },
  kernelRemove: { method: 'POST', path: '/v1/kernels/:kernel/remove', answers: 'operation' },

  hypervisorList: { method: 'GET', path: '/v1/hypervisors', answers: 'json' },
  hypervisorPull: { method: 'POST', path: '/v1/hypervisors/pull', answers: 'operation' },

  eventList: { method: 'GET', path: '/v1/events', answers: 'events' },

  operationList: { method: 'GET', path: '/v1/operations', answers: 'json' },
  operationWatch: { method: 'GET', path: '/v1/operations/:operation/events', answers: 'operation' },
  operationCancel: { method: 'DELETE', path: '/v1/operations/:operation', answers: 'json' },
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof ROUTES;

/** The parameters in a path: `'vm' | 'session'` of `/v1/vms/:vm/sessions/:session` */
export type ParamOf<Path extends string> = Path extends `${infer Head}/${infer Rest}`
  ? ParamOf<Head> | ParamOf<Rest>
  : Path extends `:${infer Param}`
    ? Param
    : never;
