/** One large segment as a kernel gives it to a network card that cuts, and what the card has to make of it. */

/** Virtio's header, then Ethernet, IPv4 and TCP; the checksum of TCP is left to the card. */
export function largeSegment(payload: Buffer, segmentBytes: number): Buffer {
  const header = Buffer.alloc(12);
  header[0] = 1; // it needs a checksum
  header[1] = 1; // TCP over IPv4
  header.writeUInt16LE(54, 2); // of all headers
  header.writeUInt16LE(segmentBytes, 4);
  header.writeUInt16LE(34, 6); // where what is summed up begins
  header.writeUInt16LE(16, 8); // and where in there the sum goes
  const ethernet = Buffer.from([...Array(6).fill(0xff), ...GUEST_MAC, 0x08, 0x00]);
  const ip = Buffer.from([0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 2, 15, 198, 51, 100, 7]);
  ip.writeUInt16BE(40 + payload.length, 2);
  ip.writeUInt16BE(~sumOf(ip) & 0xffff, 10);
  const tcp = Buffer.alloc(20);
  tcp.writeUInt32BE(1000, 4); // of the first byte
  tcp[12] = 0x50;
  tcp[13] = 0x18;
  tcp.writeUInt16BE(sumOf(pseudoHeader(ip, 20 + payload.length)), 16);
  return Buffer.concat([header, ethernet, ip, tcp, payload]);
}

export const GUEST_MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

/** What a frame carries; null unless its checksums are right. */
export function readSegment(frame: Buffer): { first: number; payload: Buffer } | null {
  const ip = frame.subarray(14, 34);
  const tcp = frame.subarray(34, 14 + ip.readUInt16BE(2));
  const isRight = sumOf(ip) === 0xffff && sumOf(Buffer.concat([pseudoHeader(ip, tcp.length), tcp])) === 0xffff;
  return isRight ? { first: tcp.readUInt32BE(4) - 1000, payload: tcp.subarray(20) } : null;
}

function pseudoHeader(ip: Buffer, tcpBytes: number): Buffer {
  return Buffer.concat([ip.subarray(12, 20), Buffer.from([0, 6, tcpBytes >> 8, tcpBytes & 0xff])]);
}

/** The Internet's checksum, before it is turned around */
function sumOf(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] as number) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}
