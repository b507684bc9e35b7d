/**
 * The owner API's table of routes: plain HTTP over the daemon's unix socket. Data only, so that the client can load it
 * without the schemas; `schemas.ts` says what goes in and out of each.
 *
 * `operation` answers 202 with `application/x-ndjson`, one OperationEvent a line; the work goes on when the caller
 * leaves, except for an ephemeral vm. `frames` upgrades the connection to a stream of frames (`Upgrade: banger-frames`),
 * `tcp` to the plain bytes of a TCP connection inside the guest (`Upgrade: banger-tcp`).
 * `events` answers 200 with the same type, one DaemonEvent a line, until the caller leaves. `tar` carries a tar stream in the body. A route that does not say what it `takes` takes JSON, or nothing.
 *
 * `access` is for callers with fewer rights than the owner: `read` changes nothing and names no path of the host.
 */
export type Route = {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  access: 'read' | 'write';
  takes?: 'tar';
  answers: 'json' | 'operation' | 'events' | 'tar' | 'text' | 'frames' | 'tcp';
};

export const ROUTES = {
  daemonStatus: { method: 'GET', path: '/v1/daemon', access: 'read', answers: 'json' },
  daemonStop: { method: 'POST', path: '/v1/daemon/stop', access: 'write', answers: 'json' },

  doctorBoot: { method: 'POST', path: '/v1/doctor/boot', access: 'write', answers: 'operation' },
  configShow: { method: 'GET', path: '/v1/config', access: 'read', answers: 'json' },

  diskSpaceShow: { method: 'GET', path: '/v1/disk-space', access: 'read', answers: 'json' },
  diskSpacePrune: { method: 'POST', path: '/v1/disk-space/prune', access: 'write', answers: 'operation' },

  vmList: { method: 'GET', path: '/v1/vms', access: 'read', answers: 'json' },
  vmCreate: { method: 'POST', path: '/v1/vms', access: 'write', answers: 'operation' },
  vmShow: { method: 'GET', path: '/v1/vms/:vm', access: 'read', answers: 'json' },
  vmSet: { method: 'PATCH', path: '/v1/vms/:vm', access: 'write', answers: 'operation' },
  vmRemove: { method: 'POST', path: '/v1/vms/:vm/remove', access: 'write', answers: 'operation' },
  vmStart: { method: 'POST', path: '/v1/vms/:vm/start', access: 'write', answers: 'operation' },
  vmStop: { method: 'POST', path: '/v1/vms/:vm/stop', access: 'write', answers: 'operation' },
  vmKill: { method: 'POST', path: '/v1/vms/:vm/kill', access: 'write', answers: 'operation' },
  vmRestart: { method: 'POST', path: '/v1/vms/:vm/restart', access: 'write', answers: 'operation' },
  vmExec: { method: 'POST', path: '/v1/vms/:vm/exec', access: 'write', answers: 'frames' },
  vmSessions: { method: 'GET', path: '/v1/vms/:vm/sessions', access: 'read', answers: 'json' },
  vmSessionEnd: { method: 'DELETE', path: '/v1/vms/:vm/sessions/:session', access: 'write', answers: 'json' },
  vmFilesGet: { method: 'GET', path: '/v1/vms/:vm/files', access: 'read', answers: 'tar' },
  vmFilesPut: { method: 'PUT', path: '/v1/vms/:vm/files', access: 'write', takes: 'tar', answers: 'json' },
  vmStat: { method: 'GET', path: '/v1/vms/:vm/stat', access: 'read', answers: 'json' },
  vmLogs: { method: 'GET', path: '/v1/vms/:vm/logs', access: 'read', answers: 'text' },
  vmConnect: { method: 'POST', path: '/v1/vms/:vm/connect', access: 'write', answers: 'tcp' },
  vmPorts: { method: 'GET', path: '/v1/vms/:vm/ports', access: 'read', answers: 'json' },
  vmWait: { method: 'GET', path: '/v1/vms/:vm/wait', access: 'read', answers: 'json' },
  vmSsh: { method: 'POST', path: '/v1/vms/:vm/ssh', access: 'write', answers: 'json' },

  sshConfig: { method: 'GET', path: '/v1/ssh', access: 'read', answers: 'json' },

  workspacePlan: { method: 'POST', path: '/v1/workspaces/plan', access: 'write', answers: 'json' },
  workspaceImport: { method: 'POST', path: '/v1/vms/:vm/workspace/import', access: 'write', answers: 'operation' },
  workspaceDiff: { method: 'GET', path: '/v1/vms/:vm/workspace/diff', access: 'read', answers: 'text' },
  workspaceExport: { method: 'POST', path: '/v1/vms/:vm/workspace/export', access: 'write', answers: 'operation' },

  imageList: { method: 'GET', path: '/v1/images', access: 'read', answers: 'json' },
  imageShow: { method: 'GET', path: '/v1/images/:image', access: 'read', answers: 'json' },
  imagePull: { method: 'POST', path: '/v1/images/pull', access: 'write', answers: 'operation' },
  imageImport: { method: 'POST', path: '/v1/images/import', access: 'write', answers: 'operation' },
  imageRemove: { method: 'POST', path: '/v1/images/:image/remove', access: 'write', answers: 'operation' },

  kernelList: { method: 'GET', path: '/v1/kernels', access: 'read', answers: 'json' },
  kernelPull: { method: 'POST', path: '/v1/kernels/pull', access: 'write', answers: 'operation' },
  kernelImport: { method: 'POST', path: '/v1/kernels/import', access: 'write', answers: 'operation' },
  kernelRemove: { method: 'POST', path: '/v1/kernels/:kernel/remove', access: 'write', answers: 'operation' },

  eventList: { method: 'GET', path: '/v1/events', access: 'read', answers: 'events' },

  operationList: { method: 'GET', path: '/v1/operations', access: 'read', answers: 'json' },
  operationWatch: { method: 'GET', path: '/v1/operations/:operation/events', access: 'read', answers: 'operation' },
  operationCancel: { method: 'DELETE', path: '/v1/operations/:operation', access: 'write', answers: 'json' },
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof ROUTES;

/** The parameters in a path: `'vm' | 'session'` of `/v1/vms/:vm/sessions/:session` */
export type ParamOf<Path extends string> = Path extends `${infer Head}/${infer Rest}`
  ? ParamOf<Head> | ParamOf<Rest>
  : Path extends `:${infer Param}`
    ? Param
    : never;
