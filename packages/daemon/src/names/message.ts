/**
 * Questions to a name server and its answers, as bytes (RFC 1035, RFC 6891). What is read comes from anybody: nothing is read
 * beyond the end, and no name is followed elsewhere, since a question needs no such thing. A question is given back byte
 * for byte, as resolvers expect that choose letters at random.
 */

export const KINDS = { A: 1, NS: 2, SOA: 6, PTR: 12, AAAA: 28, ANY: 255 } as const;
export const CODES = {
  none: 0,
  malformed: 1,
  failure: 2,
  noName: 3,
  notImplemented: 4,
  refused: 5,
  badVersion: 16,
} as const;
export const CLASS_IN = 1;

const HEADER_BYTES = 12;
const MAX_NAME_BYTES = 255;
const MAX_LABEL_BYTES = 63;
const OPTIONS = 41;
/** Of type, class, time to live and length, behind a record's name */
const RECORD_BYTES = 10;
/** What reaches every host in one piece; no answer of ours is nearly as long */
const MAX_UDP_BYTES = 1232;

const IS_ANSWER = 0x80;
const IS_AUTHORITATIVE = 0x04;
const WANTS_RECURSION = 0x01;
const HAS_RECURSION = 0x80;
const CHECKING_DISABLED = 0x10;

/** One question, which can be answered */
export type Question = {
  message: Buffer;
  /** In lower case, a byte a letter; none for the root */
  labels: readonly string[];
  kind: number;
  class: number;
  /** Where the question ends in its message */
  endsAt: number;
  /** Null when it speaks no EDNS */
  edns: { version: number; wantsSecurity: boolean } | null;
};

export type Read =
  | { is: 'question'; question: Question }
  /** Something that asks, and is told that it cannot be understood */
  | { is: 'refused'; reply: Buffer }
  /** Nothing that an answer could be made for */
  | { is: 'nothing' };

export type DnsRecord = { name: Buffer | 'asked'; kind: number; ttlSeconds: number; data: Buffer };

export type Said = {
  code: number;
  isAuthoritative?: boolean;
  hasRecursion?: boolean;
  answers?: readonly DnsRecord[];
  authority?: readonly DnsRecord[];
};

export function readQuestion(message: Buffer): Read {
  if (message.length < HEADER_BYTES || isAnswer(message)) return { is: 'nothing' };
  if (((message[2] as number) & 0x78) !== 0) return refusal(message, CODES.notImplemented);
  const [questions, answers, authority, others] = [4, 6, 8, 10].map((at) => message.readUInt16BE(at)) as FourNumbers;
  const name = questions === 1 && answers === 0 && authority === 0 ? readName(message) : null;
  if (!name || name.endsAt + 4 > message.length) return refusal(message, CODES.malformed);
  const endsAt = name.endsAt + 4;
  const edns = readOptions(message, endsAt, others);
  if (edns === 'malformed') return refusal(message, CODES.malformed);
  const [kind, ofClass] = [message.readUInt16BE(endsAt - 4), message.readUInt16BE(endsAt - 2)];
  return { is: 'question', question: { message, labels: name.labels, kind, class: ofClass, endsAt, edns } };
}

type FourNumbers = [number, number, number, number];

export function writeAnswer({ message, endsAt, edns }: Question, said: Said): Buffer {
  const { code, isAuthoritative = false, hasRecursion = false, answers = [], authority = [] } = said;
  const header = Buffer.alloc(HEADER_BYTES);
  message.copy(header, 0, 0, 2);
  const [first, second] = [message[2] as number, message[3] as number];
  header[2] = IS_ANSWER | (isAuthoritative ? IS_AUTHORITATIVE : 0) | (first & WANTS_RECURSION);
  header[3] = (hasRecursion ? HAS_RECURSION : 0) | (second & CHECKING_DISABLED) | (code & 0xf);
  [1, answers.length, authority.length, edns ? 1 : 0].forEach((count, index) => {
    header.writeUInt16BE(count, 4 + 2 * index);
  });
  const records = [...answers, ...authority].map(writeRecord);
  return Buffer.concat([
    header,
    message.subarray(HEADER_BYTES, endsAt),
    ...records,
    ...(edns ? [writeOptions(code, edns.wantsSecurity)] : []),
  ]);
}

/** Of plain labels, each of at most 63 letters. */
export function nameBytes(labels: readonly string[]): Buffer {
  const pieces = labels.flatMap((label) => [Buffer.from([label.length]), Buffer.from(label, 'latin1')]);
  return Buffer.concat([...pieces, Buffer.from([0])]);
}

export function addressBytes(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number));
}

/** Whether `answer` is one to `question`, which was asked under the number in its first two bytes. Some servers write it in lower case. */
export function isAnswerTo(question: Question, asked: Buffer, answer: Buffer): boolean {
  const { endsAt } = question;
  return (
    answer.length >= endsAt &&
    isAnswer(answer) &&
    answer.subarray(0, 2).equals(asked.subarray(0, 2)) &&
    answer.readUInt16BE(4) === 1 &&
    inLowerCase(answer.subarray(HEADER_BYTES, endsAt)) === inLowerCase(asked.subarray(HEADER_BYTES, endsAt))
  );
}

/** An answer as who asked expects it: under the same number, and with the question to the byte. */
export function giveBack({ message, endsAt }: Question, answer: Buffer): Buffer {
  const [head, rest] = [answer.subarray(2, HEADER_BYTES), answer.subarray(endsAt)];
  return Buffer.concat([message.subarray(0, 2), head, message.subarray(HEADER_BYTES, endsAt), rest]);
}

/** A server that fails or refuses says nothing about the name. */
export function isFailure(answer: Buffer): boolean {
  const code = (answer[3] as number) & 0xf;
  return code !== CODES.none && code !== CODES.noName;
}

/** A byte a letter. Only those of ASCII have two cases, but what else would be taken for the same is no name of anything. */
function inLowerCase(bytes: Buffer): string {
  return bytes.toString('latin1').toLowerCase();
}

function isAnswer(message: Buffer): boolean {
  return ((message[2] as number) & IS_ANSWER) !== 0;
}

/** Its head alone: what comes after it may be anything. */
function refusal(message: Buffer, code: number): Read {
  const reply = Buffer.alloc(HEADER_BYTES);
  message.copy(reply, 0, 0, 2);
  reply[2] = IS_ANSWER | ((message[2] as number) & (0x78 | WANTS_RECURSION));
  reply[3] = code;
  return { is: 'refused', reply };
}

function readName(message: Buffer): { labels: string[]; endsAt: number } | null {
  const labels: string[] = [];
  for (let at = HEADER_BYTES; ; ) {
    const length = message[at];
    if (length === undefined || length > MAX_LABEL_BYTES || at + 1 + length - HEADER_BYTES > MAX_NAME_BYTES)
      return null;
    at += 1;
    if (length === 0) return { labels, endsAt: at };
    labels.push(inLowerCase(message.subarray(at, at + length)));
    at += length;
  }
}

/** Of what may follow a question only EDNS means something, once, and at the root. The rest is passed over. */
function readOptions(message: Buffer, from: number, count: number): Question['edns'] | 'malformed' {
  let found: Question['edns'] = null;
  for (let at = from, left = count; left > 0; left -= 1) {
    const isRoot = message[at] === 0;
    const begin = isRoot ? at + 1 : afterName(message, at);
    if (begin === null || begin + RECORD_BYTES > message.length) return 'malformed';
    if (message.readUInt16BE(begin) === OPTIONS) {
      if (found || !isRoot) return 'malformed';
      const wantsSecurity = ((message[begin + 6] as number) & 0x80) !== 0;
      found = { version: message[begin + 5] as number, wantsSecurity };
    }
    at = begin + RECORD_BYTES + message.readUInt16BE(begin + 8);
    if (at > message.length) return 'malformed';
  }
  return found;
}

function afterName(message: Buffer, from: number): number | null {
  for (let at = from; ; ) {
    const length = message[at];
    if (length === undefined) return null;
    if (length >= 0xc0) return at + 2;
    if (length > MAX_LABEL_BYTES) return null;
    at += 1 + length;
    if (length === 0) return at;
  }
}

function writeRecord({ name, kind, ttlSeconds, data }: DnsRecord): Buffer {
  const owner = name === 'asked' ? Buffer.from([0xc0, HEADER_BYTES]) : name;
  const head = Buffer.alloc(RECORD_BYTES);
  head.writeUInt16BE(kind, 0);
  head.writeUInt16BE(CLASS_IN, 2);
  head.writeUInt32BE(ttlSeconds, 4);
  head.writeUInt16BE(data.length, 8);
  return Buffer.concat([owner, head, data]);
}

function writeOptions(code: number, wantsSecurity: boolean): Buffer {
  const options = Buffer.alloc(1 + RECORD_BYTES);
  options.writeUInt16BE(OPTIONS, 1);
  options.writeUInt16BE(MAX_UDP_BYTES, 3);
  options[5] = code >> 4; // the rest of a code that is longer than its place in the head
  options[7] = wantsSecurity ? 0x80 : 0;
  return options;
}
