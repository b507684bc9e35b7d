/** A stream of which the beginning was looked at, as it was before. */
import { Readable } from 'node:stream';

type Taken = {
  start: readonly Buffer[];
  rest: AsyncIterator<Buffer, void>;
  /** Ends what `rest` comes from, so that nobody waits for its next piece; gets why, where something failed. */
  letGo: (fault: Error | null) => void;
};

export function putBack({ start, rest, letGo }: Taken): Readable {
  const whole = new Readable({
    read() {
      rest.next().then(
        ({ done, value }) => this.push(done ? null : value),
        (fault) => this.destroy(fault),
      );
    },
    destroy(fault, done) {
      letGo(fault);
      done(fault);
    },
  });
  for (const piece of start) whole.push(piece);
  return whole;
}
