/** What the agent says in comments of a tar, for which a tar has no word; docs/agent-protocol.md has them. */
import { textOfBytes } from '../byte-text.ts';
import type { PaxRecord } from './pax.ts';

const FAULT = /^banger-fault ([A-Z_]{1,40})$/;
const SKIPPED = /^banger-skipped (\d{1,15})$/;

/** Why a file could not be read whole */
export function agentFault(records: readonly PaxRecord[]): string | null {
  return FAULT.exec(commentOf(records))?.[1] ?? null;
}

/** How many files were left out */
export function agentSkipped(records: readonly PaxRecord[]): number | null {
  const [, count] = SKIPPED.exec(commentOf(records)) ?? [];
  return count === undefined ? null : Number(count);
}

function commentOf(records: readonly PaxRecord[]): string {
  const comment = records.findLast(({ key }) => key === 'comment')?.value;
  return comment === undefined ? '' : textOfBytes(comment);
}
