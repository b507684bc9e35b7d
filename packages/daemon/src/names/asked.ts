/** A message as it came, and what is said to it: null is nothing. */
export type Asked = { message: Buffer; from: string; at: string; by: 'udp' | 'tcp' };
export type Said = Buffer | null | Promise<Buffer | null>;
