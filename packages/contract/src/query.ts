/** The query of an address, with bytes for what is not UTF-8: paths of files are any bytes. */
import { bytesOfText, textOfBytes } from './byte-text.ts';

const UNRESERVED = /[A-Za-z0-9_.~-]/;

/** "path=/a%20b&owner=root"; what is undefined is left out. */
export function writeQuery(values: Record<string, unknown>): string {
  const pairs = Object.entries(values).filter(([, value]) => value !== undefined);
  return pairs.map(([key, value]) => `${encodePercent(key)}=${encodePercent(String(value))}`).join('&');
}

/** Of a key that comes twice the last counts. */
export function readQuery(query: string): Record<string, string> {
  const pairs = query.split('&').filter((pair) => pair !== '');
  return Object.fromEntries(pairs.map(readPair));
}

function readPair(pair: string): [key: string, value: string] {
  const equals = pair.indexOf('=');
  return equals < 0
    ? [decodePercent(pair), '']
    : [decodePercent(pair.slice(0, equals)), decodePercent(pair.slice(equals + 1))];
}

export function encodePercent(text: string): string {
  const characters = Array.from(bytesOfText(text), (byte) => {
    const character = String.fromCharCode(byte);
    return UNRESERVED.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  });
  return characters.join('');
}

/** A percent sign without two digits stands for itself, as browsers have it. */
function decodePercent(text: string): string {
  const bytes = bytesOfText(text.replaceAll('+', ' '));
  const decoded: number[] = [];
  for (let at = 0; at < bytes.length; at++) {
    const [byte = 0] = bytes.subarray(at);
    const digits = String.fromCharCode(...bytes.subarray(at + 1, at + 3));
    const isEscape = byte === 0x25 && /^[0-9a-f]{2}$/i.test(digits);
    decoded.push(isEscape ? Number.parseInt(digits, 16) : byte);
    if (isEscape) at += 2;
  }
  return textOfBytes(Uint8Array.from(decoded));
}
