/** Reach the daemon, or start it; when neither works, say precisely why. */
import { BangerError } from '@banger/contract/errors.ts';
import { checkOwnFolder, type FolderOwner } from '@banger/contract/own-folder.ts';
import { type BangerPaths, daemonSocketPath } from '@banger/contract/paths.ts';
import { VERSION } from '@banger/contract/version.ts';
import { type Client, connect } from '@banger/sdk/connect.ts';

type ConnectParts = { findPaths: () => BangerPaths; owner: FolderOwner; warn: (text: string) => void };

export type CliDaemon = { client: Client; runningClient: Client };

export function connectToDaemon({ findPaths, owner, warn }: ConnectParts): CliDaemon {
  const socketPath = () => ownSocket(findPaths(), owner);
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
    await start({ paths: findPaths(), owner, socketPath: socketPath() });
  };
  return {
    client: connect({ socketPath, onDaemonVersion, startDaemon }),
    runningClient: connect({ socketPath, onDaemonVersion }),
  };
}

/**
 * Whoever serves the socket gets the user's files and secrets, and what it says is done here: so it is one that the user
 * made, in a folder where nobody else can put another. Throws FOLDER_UNSAFE.
 */
function ownSocket(paths: BangerPaths, owner: FolderOwner): string {
  checkOwnFolder(paths.runtime, owner);
  const socketPath = daemonSocketPath(paths);
  const found = owner.files.lstatSync(socketPath, { throwIfNoEntry: false });
  if (found === undefined || found.uid === owner.uid) return socketPath;
  throw new BangerError('FOLDER_UNSAFE', {
    message: `The socket ${socketPath} belongs to another user (uid ${found.uid}), so banger does not connect to it.`,
    hint: 'Remove it; the next command starts a daemon of yours.',
    details: { path: socketPath },
  });
}
