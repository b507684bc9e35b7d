/** Extended headers of a tar: records of "<length> <key>=<value>\n" that describe the entry which follows. */
import { bytesOfText, concatBytes, textOfBytes } from '../byte-text.ts';
import { tarPadding, writeTarBlock } from './tar-block.ts';

export type PaxRecord = { key: string; value: Uint8Array };

const SPACE = 0x20;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;
const NANOSECONDS = 1_000_000_000n;

/** Null when they are damaged. */
export function readPaxRecords(content: Uint8Array): PaxRecord[] | null {
  const records: PaxRecord[] = [];
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(SPACE, at);
    const lengthText = space < 0 || space > at + 10 ? '' : textOfBytes(content.subarray(at, space));
    const end = at + Number(lengthText);
    const equals = content.indexOf(EQUALS, space);
    if (!/^\d{1,10}$/.test(lengthText) || end > content.length || equals < 0 || equals >= end) return null;
    if (content[end - 1] !== NEWLINE) return null;
    records.push({
      key: textOfBytes(content.subarray(space + 1, equals)),
      value: content.slice(equals + 1, end - 1),
    });
    at = end;
  }
  return records;
}

/** An extended header with these records, as it stands in a tar: one header block and its padded content. */
export function writePaxHeader(records: readonly PaxRecord[]): Uint8Array {
  const content = concatBytes(records.map(writePaxRecord));
  const block = writeTarBlock({ name: '././@PaxHeader', type: 'x', sizeBytes: content.length });
  return concatBytes([block, content, tarPadding(content.length)]);
}

function writePaxRecord({ key, value }: PaxRecord): Uint8Array {
  const bodyBytes = bytesOfText(key).length + value.length + 3;
  // The length counts its own digits.
  let length = bodyBytes + 1;
  while (String(length).length + bodyBytes !== length) length = String(length).length + bodyBytes;
  return concatBytes([bytesOfText(`${length} ${key}=`), value, Uint8Array.of(NEWLINE)]);
}

/** NaN for all but digits: other readers of the same tar would take "1e3" or "" for another size. */
export function parsePaxSize(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Number.NaN;
}

/** "-1.5" is one and a half seconds before 1970; null for what is no such number. */
export function parsePaxTime(text: string): bigint | null {
  const [, sign, seconds, fraction = ''] = /^(-?)(\d{1,12})(?:\.(\d*))?$/.exec(text) ?? [];
  if (seconds === undefined) return null;
  const nanoseconds = BigInt(seconds) * NANOSECONDS + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  return sign === '-' ? -nanoseconds : nanoseconds;
}

export function formatPaxTime(nanoseconds: bigint): string {
  const absolute = nanoseconds < 0n ? -nanoseconds : nanoseconds;
  const fraction = String(absolute % NANOSECONDS)
    .padStart(9, '0')
    .replace(/0+$/, '');
  const seconds = `${nanoseconds < 0n ? '-' : ''}${absolute / NANOSECONDS}`;
  return fraction === '' ? seconds : `${seconds}.${fraction}`;
}
