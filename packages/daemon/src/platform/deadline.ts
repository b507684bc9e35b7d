/** How long to wait for others, where what this process itself was kept from doing does not count. */

const SLICES = 8;

/**
 * Aborts, as `AbortSignal.timeout` does, once `ms` have passed for this process. They are counted in slices: while the process
 * stands still (a starved host, much work at once) an eighth goes by at the most, since an answer that lies there unread is not late.
 */
export function deadlineAfter(ms: number): AbortSignal {
  const controller = new AbortController();
  wait(SLICES);
  return controller.signal;

  function wait(left: number): void {
    if (left === 0) controller.abort(new DOMException('The time is over.', 'TimeoutError'));
    else setTimeout(wait, ms / SLICES, left - 1).unref();
  }
}
