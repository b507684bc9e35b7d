/** How long to wait for others, where what this process itself was kept from doing does not count. */

const SLICES = 8;

/** Aborts, as `AbortSignal.timeout` does, once `ms` have passed for this process. */
export function deadlineAfter(ms: number): AbortSignal {
  const controller = new AbortController();
  countDown(ms, () => controller.abort(new DOMException('The time is over.', 'TimeoutError')));
  return controller.signal;
}

export type Countdown = {
  /** Begins anew, for at least as long; cheap enough for each piece of a stream. */
  restart: () => void;
  stop: () => void;
};

/**
 * Calls `act` once `ms` have passed for this process. They are counted in slices: while the process stands still (a starved
 * host, much work at once) an eighth goes by at the most, since an answer that lies there unread is not late.
 */
export function countDown(ms: number, act: () => void): Countdown {
  let left = SLICES;
  let timer = waitSlice();
  return {
    restart: () => {
      left = SLICES + 1; // the slice that goes by now has begun before
    },
    stop: () => clearTimeout(timer),
  };

  function waitSlice(): NodeJS.Timeout {
    return setTimeout(pass, Math.ceil(ms / SLICES)).unref(); // a timer leaves out what is behind the point
  }

  function pass(): void {
    left -= 1;
    if (left === 0) act();
    else timer = waitSlice();
  }
}
