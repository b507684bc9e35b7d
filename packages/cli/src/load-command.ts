/** Which file does the work of each command. They are loaded one at a time, so that a small command starts fast. */
import type { Cli } from './cli.ts';
import type { CommandName, Input } from './commands.ts';

/** Does the work and gives the exit code; nothing is 0. */
export type Run<Name extends CommandName> = (cli: Cli, input: Input<Name>) => Promise<number | undefined>;

type Loaders = { [Name in CommandName]: () => Promise<{ run: Run<Name> }> };

const LOADERS: Loaders = {
  'vm run': () => import('./commands/vm/run.ts'),
  'vm create': () => import('./commands/vm/create.ts'),
  'vm start': () => import('./commands/vm/start.ts'),
  'vm stop': () => import('./commands/vm/stop.ts'),
  'vm kill': () => import('./commands/vm/kill.ts'),
  'vm restart': () => import('./commands/vm/restart.ts'),
  'vm rm': () => import('./commands/vm/rm.ts'),
  'vm ls': () => import('./commands/vm/ls.ts'),
  'vm show': () => import('./commands/vm/show.ts'),
  'vm set': () => import('./commands/vm/set.ts'),
  'vm exec': () => import('./commands/vm/exec.ts'),
  'vm sessions': () => import('./commands/vm/sessions.ts'),
  'vm attach': () => import('./commands/vm/attach.ts'),
  'vm cp': () => import('./commands/vm/cp.ts'),
  'vm commit': () => import('./commands/vm/commit.ts'),
  'vm logs': () => import('./commands/vm/logs.ts'),
  'vm workspace import': () => import('./commands/vm/workspace/import.ts'),
  'vm workspace diff': () => import('./commands/vm/workspace/diff.ts'),
  'vm workspace export': () => import('./commands/vm/workspace/export.ts'),
  'vm ssh': () => import('./commands/vm/ssh.ts'),
  'vm forward': () => import('./commands/vm/forward.ts'),
  'vm ports': () => import('./commands/vm/ports.ts'),
  'vm stats': () => import('./commands/vm/stats.ts'),
  'vm proxy': () => import('./commands/vm/proxy.ts'),
  'image ls': () => import('./commands/image/ls.ts'),
  'image pull': () => import('./commands/image/pull.ts'),
  'image build': () => import('./commands/image/build.ts'),
  'image import': () => import('./commands/image/import.ts'),
  'image export': () => import('./commands/image/export.ts'),
  'image show': () => import('./commands/image/show.ts'),
  'image prune': () => import('./commands/image/prune.ts'),
  'image rm': () => import('./commands/image/rm.ts'),
  'kernel ls': () => import('./commands/kernel/ls.ts'),
  'kernel pull': () => import('./commands/kernel/pull.ts'),
  'kernel import': () => import('./commands/kernel/import.ts'),
  'kernel rm': () => import('./commands/kernel/rm.ts'),
  'hypervisor ls': () => import('./commands/hypervisor/ls.ts'),
  'hypervisor pull': () => import('./commands/hypervisor/pull.ts'),
  'daemon start': () => import('./commands/daemon/start.ts'),
  'daemon stop': () => import('./commands/daemon/stop.ts'),
  'daemon status': () => import('./commands/daemon/status.ts'),
  'system df': () => import('./commands/system/df.ts'),
  'system prune': () => import('./commands/system/prune.ts'),
  'system recover': () => import('./commands/system/recover.ts'),
  'system install': () => import('./commands/system/install.ts'),
  'system status': () => import('./commands/system/status.ts'),
  'system restart': () => import('./commands/system/restart.ts'),
  'system uninstall': () => import('./commands/system/uninstall.ts'),
  doctor: () => import('./commands/doctor.ts'),
  'config show': () => import('./commands/config/show.ts'),
  'config path': () => import('./commands/config/path.ts'),
  completion: () => import('./commands/completion.ts'),
  'ssh-config': () => import('./commands/ssh-config.ts'),
  version: () => import('./commands/version.ts'),
  help: () => import('./commands/help.ts'),
};

export async function loadCommand<Name extends CommandName>(name: Name): Promise<Run<Name>> {
  return (await LOADERS[name]()).run;
}
