/** What the agent refuses, in our words. Its own message is shown, cleaned; nothing else of it is believed. */
import { BangerError, type ErrorCode } from '@banger/contract/errors.ts';
import { type AgentFailure, agentFailureSchema } from '@banger/contract/guest/messages.ts';
import { cleanText } from './clean-text.ts';

const CODES: Record<string, ErrorCode> = {
  NOT_FOUND: 'GUEST_PATH',
  IS_A_DIRECTORY: 'GUEST_PATH',
  NOT_A_DIRECTORY: 'GUEST_PATH',
  PERMISSION: 'GUEST_PATH',
  EXISTS: 'GUEST_PATH',
  CWD_NOT_FOUND: 'GUEST_PATH',
  COMMAND_NOT_FOUND: 'COMMAND_NOT_FOUND',
  COMMAND_NOT_EXECUTABLE: 'COMMAND_NOT_EXECUTABLE',
};

/** `notFound` is what NOT_FOUND means for this request. */
export function agentRefusal({ code, message }: AgentFailure, notFound: ErrorCode = 'GUEST_PATH'): BangerError {
  return new BangerError(code === 'NOT_FOUND' ? notFound : (CODES[code] ?? 'GUEST_REFUSED'), {
    message: `In the guest: ${cleanText(message) || 'the request was refused without a reason'}`,
    details: { guestCode: cleanText(code) },
  });
}

/** A failed answer's body, which may be anything. */
export function parseRefusal(body: string, notFound?: ErrorCode): BangerError {
  try {
    return agentRefusal(agentFailureSchema.parse(JSON.parse(body)), notFound);
  } catch {
    return agentNonsense('it refused a request with an answer that is malformed');
  }
}

export function agentNonsense(what: string, cause?: unknown): BangerError {
  return new BangerError('AGENT_PROTOCOL', {
    message: `The guest agent is not understood: ${what}.`,
    hint: 'The guest may be hostile or damaged; "banger vm logs" shows its console.',
    cause,
  });
}

export function agentLost(why: string, cause?: unknown): BangerError {
  return new BangerError('VM_LOST', {
    message: `The guest's agent went away: ${why}.`,
    hint: '"banger vm ls" shows whether the vm still runs, "banger vm logs" its console.',
    cause,
  });
}
