/** Reach the daemon, or start it; when neither works, say precisely why. */
import { type BangerPaths, daemonSocketPath } from '@banger/contract/paths.ts';
import { VERSION } from '@banger/contract/version.ts';
import { type Client, connect } from '@banger/sdk/connect.ts';

type ConnectParts = { paths: BangerPaths; warn: (text: string) => void };

export function connectToDaemon({ paths, warn }: ConnectParts): CliDaemon {
  const socketPath = daemonSocketPath(paths);
  let hasWarned = false;
  const onDaemonVersion = (version: string) => {
    if (version === VERSION || hasWarned) return;
    hasWarned = true;
    warn(
      `The daemon has version ${version}, this command ${VERSION}; "banger daemon stop" lets the next command start a new one.`,
    );
  };
  const startDaemon = async () => {
    const { startDaemon: start } = await import('./start-daemon.ts');
    await start({ paths, socketPath });
  };
  return {
    socketPath,
    client: connect({ socketPath, onDaemonVersion, startDaemon }),
    runningClient: connect({ socketPath, onDaemonVersion }),
  };
}

export type CliDaemon = { socketPath: string; client: Client; runningClient: Client };
