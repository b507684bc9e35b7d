/**
 * Every failure that banger reports, in one table.
 *
 * A code is stable: programs and tests match on it. `status` is the HTTP status of the owner API, `exit` the exit code
 * of the command line (the numbers are those of sysexits.h; 126 and 127 are the shell's). docs/errors.md is made from
 * this table and checked against it.
 */
import { findSystemFault } from './system-faults.ts';

type ErrorEntry = { status: number; exit: number; meaning: string };

export const ERRORS = {
  // What the caller asked for
  USAGE: { status: 400, exit: 64, meaning: 'The command line is not understood.' },
  BAD_REQUEST: { status: 400, exit: 65, meaning: 'A request does not have the form that the API asks for.' },
  BAD_NAME: { status: 400, exit: 65, meaning: 'A name does not follow the rules for names.' },
  BAD_SIZE: { status: 400, exit: 65, meaning: 'A size, count or duration is not understood or out of bounds.' },
  CONFIG_INVALID: { status: 400, exit: 78, meaning: 'The config file has an unknown key or a wrong value.' },
  CALLER_REFUSED: {
    status: 403,
    exit: 77,
    meaning: 'The daemon is called by programs of its owner, not by web pages.',
  },
  ROUTE_NOT_FOUND: { status: 404, exit: 70, meaning: 'The daemon does not have this route.' },

  // Machines
  VM_NOT_FOUND: { status: 404, exit: 66, meaning: 'No vm has this name or id.' },
  VM_EXISTS: { status: 409, exit: 65, meaning: 'Another vm already has this name.' },
  VM_WRONG_STATE: { status: 409, exit: 65, meaning: 'The vm is not in a state that allows this.' },
  VM_BOOT_FAILED: { status: 500, exit: 70, meaning: 'The vm ended or reported a fault before its agent was ready.' },
  VM_BOOT_TIMEOUT: {
    status: 504,
    exit: 70,
    meaning: 'The vm runs, but its agent, or its init when that is waited for, was not ready in time.',
  },
  VM_LOST: { status: 500, exit: 70, meaning: 'The vm ended, or its agent went away, while it was in use.' },
  VM_SILENT: { status: 503, exit: 75, meaning: 'The vm runs, but its hypervisor does not answer, as on a busy host.' },
  NOT_ENOUGH_MEMORY: { status: 507, exit: 71, meaning: 'The host does not have the memory that this needs.' },
  DISK_FULL: { status: 507, exit: 74, meaning: 'The host filesystem does not have the space that this needs.' },
  NOT_UNRECORDED: { status: 404, exit: 66, meaning: 'No folder without a record has this name.' },
  DISK_MISSING: { status: 500, exit: 74, meaning: 'The file that is the disk of the vm is not there.' },
  DISK_DAMAGED: { status: 500, exit: 74, meaning: 'The file that is the disk of the vm is not as it was left.' },
  DISK_SHRINK: { status: 400, exit: 65, meaning: "A vm's disk can grow but not shrink." },

  // Images and kernels
  IMAGE_NOT_FOUND: { status: 404, exit: 66, meaning: 'No image has this name or digest, here or in its registry.' },
  IMAGE_EXISTS: { status: 409, exit: 65, meaning: 'Another image already has this name.' },
  IMAGE_DAMAGED: { status: 500, exit: 74, meaning: 'The files of an image are not as they were left.' },
  IMAGE_IN_USE: { status: 409, exit: 65, meaning: 'A vm still needs this image.' },
  IMAGE_INVALID: { status: 400, exit: 65, meaning: 'A file is not a root filesystem that banger can use.' },
  IMAGE_BUILD_FAILED: { status: 500, exit: 70, meaning: 'The tool that makes the image failed.' },
  IMAGE_PLATFORM: { status: 400, exit: 65, meaning: 'An image is not there for linux/amd64.' },
  IMAGE_UNSUPPORTED: { status: 400, exit: 65, meaning: 'What a registry has is of a kind that banger cannot use.' },
  IMAGE_MISMATCH: { status: 502, exit: 65, meaning: 'What a registry sent is not what its digest says.' },
  REGISTRY_DENIED: { status: 403, exit: 77, meaning: 'A registry does not give an image to this user.' },
  REGISTRY_LIMIT: { status: 429, exit: 75, meaning: 'A registry gives no more images for now.' },
  REGISTRY_UNREACHABLE: { status: 503, exit: 69, meaning: 'A registry could not be reached, or went silent.' },
  REGISTRY_UNTRUSTED: {
    status: 502,
    exit: 69,
    meaning: 'A registry, or what it has, is not trusted on this host: no HTTPS, its certificate, a policy.',
  },
  REGISTRY_FAILED: {
    status: 502,
    exit: 69,
    meaning: 'A registry failed, or answered in a way that is not understood.',
  },
  CREDENTIALS_UNREADABLE: { status: 500, exit: 78, meaning: 'The credentials for a registry could not be read.' },
  KERNEL_NOT_FOUND: { status: 404, exit: 66, meaning: 'No kernel has this name.' },
  KERNEL_DAMAGED: { status: 500, exit: 74, meaning: 'The files of a kernel are not as they were left.' },
  KERNEL_IN_USE: { status: 409, exit: 65, meaning: 'A vm still needs this kernel.' },
  KERNEL_INVALID: { status: 400, exit: 65, meaning: 'A file is not a kernel that banger can boot.' },
  KERNEL_FETCH_FAILED: { status: 500, exit: 69, meaning: 'The kernel package could not be fetched.' },

  // Hypervisors
  HYPERVISOR_NOT_FOUND: { status: 404, exit: 66, meaning: 'The catalog has no hypervisor of this name.' },
  HYPERVISOR_UNVERIFIED: {
    status: 400,
    exit: 65,
    meaning: 'The digest that the release of a hypervisor should have is not known, so it is not fetched.',
  },
  HYPERVISOR_FETCH_FAILED: { status: 500, exit: 69, meaning: 'The release of a hypervisor could not be fetched.' },
  DRIVER_UNAVAILABLE: {
    status: 409,
    exit: 69,
    meaning: 'The hypervisor that a vm asks for cannot run it on this host.',
  },
  DRIVER_LIMIT: { status: 400, exit: 65, meaning: 'A vm asks for more than its hypervisor gives.' },
  HYPERVISOR_INVALID: { status: 400, exit: 65, meaning: 'A file is not the hypervisor that it should be.' },

  // The host
  TOOL_MISSING: { status: 500, exit: 69, meaning: 'A program that banger needs is not installed.' },
  HOST_EXHAUSTED: {
    status: 503,
    exit: 71,
    meaning: 'The host has no process left for another program.',
  },
  PROCESS_STUCK: {
    status: 503,
    exit: 75,
    meaning: 'A process that was killed does not end, as when its disk does not answer.',
  },
  TOOL_TOO_OLD: {
    status: 500,
    exit: 69,
    meaning: 'A program that banger needs is installed in a version that is too old.',
  },
  HYPERVISOR_FAILED: { status: 500, exit: 70, meaning: 'The hypervisor could not be started or controlled.' },
  NETWORK_FAILED: { status: 500, exit: 70, meaning: "The vm's network could not be set up." },
  ROOT_NEEDED: { status: 403, exit: 77, meaning: 'Only root can do this.' },
  INSTALL_REFUSED: {
    status: 409,
    exit: 65,
    meaning: 'The installation for the whole system cannot be changed this way.',
  },
  INSTALL_FAILED: { status: 500, exit: 70, meaning: 'The installation for the whole system failed, and was undone.' },
  NETWORK_LIMIT: { status: 400, exit: 65, meaning: 'A vm asks for what its network does not give.' },
  HELPER_MISSING: { status: 503, exit: 69, meaning: 'The root helper is not installed, or does not run.' },
  HELPER_REFUSED: { status: 500, exit: 70, meaning: 'The root helper refused what it was asked, or could not do it.' },
  NAMES_UNSERVED: {
    status: 503,
    exit: 69,
    meaning: 'The daemon cannot answer for the names of machines on this host.',
  },
  TOO_MANY_FILES: { status: 503, exit: 71, meaning: 'The system allows this program no more open files.' },
  OUTPUT_LOST: { status: 500, exit: 74, meaning: 'What the command printed could not be written.' },
  FOLDER_UNSAFE: {
    status: 500,
    exit: 77,
    meaning: 'A folder that banger uses belongs to another user, or others can change it.',
  },
  FOLDER_UNUSABLE: { status: 500, exit: 73, meaning: 'A folder that banger uses cannot be made or written to.' },
  HOME_INVALID: {
    status: 500,
    exit: 78,
    meaning: 'The home folder is not known: HOME is empty or no path that can be used.',
  },
  DISK_QUOTA: { status: 507, exit: 74, meaning: "The owner's quota on a filesystem of the host is used up." },
  DISK_READ_ONLY: { status: 507, exit: 74, meaning: 'A filesystem of the host can only be read.' },
  DISK_FAILED: { status: 500, exit: 74, meaning: 'A disk of the host could not be read or written.' },
  FILE_TOO_LARGE: { status: 507, exit: 74, meaning: 'A file on the host would be larger than is allowed.' },
  ACCESS_DENIED: { status: 500, exit: 77, meaning: 'A file or folder on the host may not be used by its owner.' },
  PATH_TOO_LONG: { status: 500, exit: 78, meaning: 'A socket path would be longer than the system allows.' },
  FILE_SYNC_REFUSED: {
    status: 400,
    exit: 65,
    meaning: 'A file that [[file_sync]] names is not one that may be copied.',
  },
  HOST_NOT_READY: { status: 500, exit: 69, meaning: 'A check of "banger doctor" failed; only its exit code is used.' },
  PORT_TAKEN: { status: 409, exit: 69, meaning: 'An address on the host cannot be listened on.' },
  SSH_CONFIG_BROKEN: { status: 400, exit: 65, meaning: "The lines of banger in the user's ssh config are incomplete." },
  FILE_EXISTS: { status: 409, exit: 73, meaning: 'A file on the host is there already, or a folder is in its place.' },
  FILE_NOT_FOUND: { status: 404, exit: 66, meaning: 'A file on the host does not exist or cannot be read.' },

  // Inside the guest
  AGENT_PROTOCOL: { status: 502, exit: 76, meaning: 'The guest agent said something that is not in the protocol.' },
  USER_NOT_FOUND: { status: 404, exit: 67, meaning: 'The guest does not have this user or group.' },
  COMMAND_NOT_FOUND: { status: 404, exit: 127, meaning: 'The guest does not have this command.' },
  COMMAND_NOT_EXECUTABLE: { status: 400, exit: 126, meaning: 'The guest has the file, but cannot run it.' },
  COMMAND_TOO_LONG: { status: 400, exit: 126, meaning: 'A command with its environment is longer than Linux takes.' },
  GUEST_PATH: { status: 404, exit: 66, meaning: 'A path inside the guest does not exist or cannot be used this way.' },
  GUEST_DISK_FULL: { status: 507, exit: 74, meaning: "The guest's own disk does not have the space that this needs." },
  GUEST_REFUSED: { status: 400, exit: 65, meaning: 'The guest agent refused a request.' },
  PORT_REFUSED: { status: 502, exit: 69, meaning: 'Nothing in the guest answers on this port.' },
  SSH_NO_SERVER: { status: 400, exit: 69, meaning: "The vm's image has no ssh server." },
  SESSION_TAKEN: { status: 409, exit: 75, meaning: 'Somebody else joined the session, and has it now.' },
  SESSION_LOST: { status: 500, exit: 70, meaning: 'A command ended with the agent that ran it, and its vm goes on.' },
  SESSION_NOT_FOUND: { status: 404, exit: 66, meaning: 'The vm has no session with this id.' },

  // Workspaces
  REPO_INVALID: { status: 400, exit: 65, meaning: 'A folder is not a git repository that can be brought into a vm.' },
  REPO_UNTRUSTED: {
    status: 403,
    exit: 77,
    meaning: "A repository is another user's, or leads to what lies outside of it.",
  },
  REF_NOT_FOUND: { status: 404, exit: 66, meaning: 'The repository has no commit, branch or tag of this name.' },
  BRANCH_EXISTS: { status: 409, exit: 65, meaning: 'The repository has a branch of this name, or it is checked out.' },
  DEVCONTAINER_NOT_FOUND: {
    status: 404,
    exit: 66,
    meaning: 'A repository has neither a devcontainer.json nor a Dockerfile.',
  },
  DEVCONTAINER_INVALID: {
    status: 400,
    exit: 65,
    meaning: 'The devcontainer.json of a repository, or what it names, is not understood.',
  },
  DEVCONTAINER_UNSUPPORTED: {
    status: 400,
    exit: 65,
    meaning: 'The devcontainer.json of a repository asks for what banger does not do.',
  },
  DEVCONTAINER_FAILED: {
    status: 500,
    exit: 70,
    meaning: 'A command that the devcontainer.json of a repository has run in the vm failed.',
  },
  WORKSPACE_NOT_FOUND: { status: 404, exit: 66, meaning: 'The vm has no workspace there.' },
  WORKSPACE_CHANGED: { status: 409, exit: 65, meaning: 'What was changed in the guest would be overwritten.' },
  WORKSPACE_FAILED: { status: 502, exit: 70, meaning: 'Inside the guest, git or a program that it needs failed.' },
  WORKSPACE_REFUSED: { status: 400, exit: 65, meaning: 'What the guest offers is not safe to bring to the host.' },

  // The daemon
  DAEMON_UNREACHABLE: { status: 503, exit: 69, meaning: 'The daemon does not run and could not be started.' },
  DAEMON_ALREADY_RUNNING: { status: 409, exit: 75, meaning: 'Another daemon holds the lock of this state folder.' },
  DAEMON_ENDING: { status: 503, exit: 75, meaning: 'The daemon is about to end, and begins nothing more.' },
  STATE_TOO_NEW: { status: 500, exit: 78, meaning: 'The state was written by a newer version of banger.' },
  STATE_UNREADABLE: { status: 500, exit: 78, meaning: 'The state database cannot be read.' },
  OPERATION_NOT_FOUND: { status: 404, exit: 66, meaning: 'No operation has this id, or it ended too long ago.' },
  CANCELLED: { status: 409, exit: 130, meaning: 'The operation was cancelled and undone, or no longer waited for.' },
  TIMED_OUT: { status: 504, exit: 75, meaning: 'Something took longer than banger waits for it.' },
  INTERNAL: { status: 500, exit: 70, meaning: 'A fault in banger itself.' },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

/** What travels between programs, and what `--json` prints. */
export type WireError = { code: ErrorCode; message: string; hint?: string; details?: Record<string, unknown> };

type ErrorParts = { message: string; hint?: string; details?: Record<string, unknown>; cause?: unknown };

export class BangerError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: Record<string, unknown> | undefined;

  constructor(code: ErrorCode, { message, hint, details, cause }: ErrorParts) {
    super(message, { cause });
    this.name = 'BangerError';
    this.code = code;
    this.hint = hint;
    this.details = details;
  }

  toWire(): WireError {
    return {
      code: this.code,
      message: this.message,
      ...(this.hint !== undefined && { hint: this.hint }),
      ...(this.details !== undefined && { details: this.details }),
    };
  }

  static fromWire(wire: WireError): BangerError {
    return new BangerError(Object.hasOwn(ERRORS, wire.code) ? wire.code : 'INTERNAL', wire);
  }
}

/** Why an aborted signal stopped something: a deadline of `AbortSignal.timeout` passed, or somebody gave up. */
export function abortError({ reason }: AbortSignal, cancelled: string): BangerError {
  const isLate = reason instanceof DOMException && reason.name === 'TimeoutError';
  if (!isLate) return new BangerError('CANCELLED', { message: cancelled, cause: reason });
  return new BangerError('TIMED_OUT', {
    message: 'The answer took longer than banger waits for it.',
    hint: 'The host or the vm may be very busy: try again.',
    cause: reason,
  });
}

/** Whatever was thrown, in words that go on in a sentence: without a full stop. */
export function wordsOf(thrown: unknown): string {
  return toBangerError(thrown).message.replace(/\.$/, '');
}

/**
 * Whatever was thrown, as one of our errors. What the system could not give has a code of its own; the rest is a fault in
 * banger, INTERNAL. The original is the cause.
 */
export function toBangerError(thrown: unknown): BangerError {
  if (thrown instanceof BangerError) return thrown;
  const system = findSystemFault(thrown);
  if (system) return new BangerError(system.code, { ...system, cause: thrown });
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new BangerError('INTERNAL', { message, cause: thrown });
}
