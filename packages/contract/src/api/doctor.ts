/** What "banger doctor" finds. */

/** `warn`: banger works, but not as well as it could; `fail`: something that is asked for every day cannot work */
export type CheckStatus = 'pass' | 'warn' | 'fail';

export type Check = {
  /** "kvm", "state" */
  name: string;
  status: CheckStatus;
  /** What was found, in a sentence without a full stop */
  text: string;
  /** The one command that fixes it */
  fix: string | null;
};

export type TimedCheck = Check & { durationMs: number };
