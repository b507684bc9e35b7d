/** What has passed a network device, in the network namespace of a process, read from /proc. */
import { readFileSync } from 'node:fs';

export type Traffic = { receivedBytes: number; sentBytes: number };

/** The same of the guest whose card has this device at its other end. */
export function readGuestTraffic(pid: number, device: string): Traffic | null {
  const traffic = readTraffic(pid, device);
  return traffic && { receivedBytes: traffic.sentBytes, sentBytes: traffic.receivedBytes };
}

/** Null where there is no such device, or no such process any more. */
export function readTraffic(pid: number, device: string): Traffic | null {
  try {
    return parseTraffic(readFileSync(`/proc/${pid}/net/dev`, 'utf8'), device);
  } catch {
    return null;
  }
}

/** `text` is /proc/net/dev: the bytes received are the first number of a line, the bytes sent the ninth. */
export function parseTraffic(text: string, device: string): Traffic | null {
  for (const line of text.split('\n')) {
    const [name, numbers] = line.split(':', 2);
    if (name?.trim() !== device || numbers === undefined) continue;
    const counts = numbers.trim().split(/\s+/).map(Number);
    const [receivedBytes = Number.NaN, sentBytes = Number.NaN] = [counts[0], counts[8]];
    return Number.isSafeInteger(receivedBytes) && Number.isSafeInteger(sentBytes) ? { receivedBytes, sentBytes } : null;
  }
  return null;
}
