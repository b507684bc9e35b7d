/** What the agent refuses, in our words. Its own message is shown, cleaned; nothing else of it is believed. */
import { cleanQuote } from '@banger/contract/clean-text.ts';
import { BangerError, type ErrorCode } from '@banger/contract/errors.ts';
import { meaningOf } from '@banger/contract/guest/agent-codes.ts';
import { type AgentFailure, readFailure } from '@banger/contract/guest/command-messages.ts';

/** `notFound` is what NOT_FOUND means for this request. */
export function agentRefusal({ code, message }: AgentFailure, notFound?: ErrorCode): BangerError {
  return new BangerError(meaningOf(code, notFound), {
    message: `In the guest: ${cleanQuote(message) || 'the request was refused without a reason'}`,
    details: { guestCode: cleanQuote(code) },
  });
}

/** A failed answer's body, which may be anything. */
export function parseRefusal(body: Buffer, notFound?: ErrorCode): BangerError {
  try {
    return agentRefusal(readFailure(body), notFound);
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
