/** Ethernet frames on a stream, as hypervisors and their networks send them. */
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';

/** Each after its length, as passt and fake-vmm write them; what nobody reads waits. */
export class Frames {
  readonly to: Writable;
  readonly #frames: AsyncGenerator<Buffer, never>;

  constructor(from: Readable, to: Writable) {
    this.to = to;
    this.#frames = readFrames(from);
  }

  async next(): Promise<Buffer> {
    return (await this.#frames.next()).value;
  }

  /** Resolves when the other side takes more. */
  async send(frame: Buffer): Promise<void> {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(frame.length);
    if (!this.to.write(Buffer.concat([length, frame]))) await once(this.to, 'drain');
  }
}

async function* readFrames(stream: Readable): AsyncGenerator<Buffer, never> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of stream) {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE()) {
      const end = 4 + bytes.readUInt32BE();
      yield bytes.subarray(4, end);
      bytes = bytes.subarray(end);
    }
  }
  throw new Error('it has ended');
}
