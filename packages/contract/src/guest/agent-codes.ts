/** The codes that the agent refuses with, in banger's words. A guest's code is never taken for one of banger's own. */
import type { ErrorCode } from '../errors.ts';

const MEANINGS = {
  BAD_REQUEST: 'GUEST_REFUSED',
  NOT_FOUND: 'GUEST_PATH',
  IS_A_DIRECTORY: 'GUEST_PATH',
  NOT_A_DIRECTORY: 'GUEST_PATH',
  PERMISSION: 'GUEST_PATH',
  EXISTS: 'GUEST_PATH',
  NO_SPACE: 'GUEST_DISK_FULL',
  BUSY: 'GUEST_PATH',
  USER_NOT_FOUND: 'USER_NOT_FOUND',
  CWD_NOT_FOUND: 'GUEST_PATH',
  COMMAND_NOT_FOUND: 'COMMAND_NOT_FOUND',
  NO_SHELL: 'COMMAND_NOT_FOUND',
  COMMAND_NOT_EXECUTABLE: 'COMMAND_NOT_EXECUTABLE',
  COMMAND_TOO_LONG: 'COMMAND_TOO_LONG',
  TOO_MANY_SESSIONS: 'GUEST_REFUSED',
  INTERNAL: 'GUEST_REFUSED',
} as const satisfies Record<string, ErrorCode>;

/** `notFound` is what NOT_FOUND means for this request; a code that the protocol does not have is GUEST_REFUSED. */
export function meaningOf(agentCode: string, notFound: ErrorCode = MEANINGS.NOT_FOUND): ErrorCode {
  if (agentCode === 'NOT_FOUND') return notFound;
  return isAgentCode(agentCode) ? MEANINGS[agentCode] : 'GUEST_REFUSED';
}

export const AGENT_CODES = Object.keys(MEANINGS);

function isAgentCode(text: string): text is keyof typeof MEANINGS {
  return Object.hasOwn(MEANINGS, text);
}
