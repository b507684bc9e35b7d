/** How long a caller may take to say what it wants. What it then takes or sends is bounded by whoever reads or writes. */
export type ApiLimits = {
  headMs: number;
  bodyMs: number;
  firstFrameMs: number;
  checkEveryMs: number;
  connections: number;
  unanswered: number;
};

export const API_LIMITS: ApiLimits = {
  headMs: 10_000,
  /** A body of JSON */
  bodyMs: 10_000,
  /** A command's first frame: what to run, or what to join */
  firstFrameMs: 15_000,
  /** How often the heads are looked at */
  checkEveryMs: 2000,
  /** Each takes a descriptor of the daemon's; a forwarded port has one for each connection to the guest */
  connections: 2000,
  /** Requests of one connection that have no answer yet; who waits for each answer has one */
  unanswered: 16,
};
