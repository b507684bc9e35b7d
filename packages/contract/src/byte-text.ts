/**
 * File names as text. Linux takes any bytes for a name; a byte that is not part of UTF-8 stands as the lone surrogate
 * U+DC00 + byte, as in Python's `surrogateescape`. Two texts are equal exactly when their bytes are, and a name in UTF-8
 * is what it seems.
 */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();

const REPLACEMENT = '\ufffd';
const ESCAPE = 0xdc00;

export function textOfBytes(bytes: Uint8Array): string {
  const text = decoder.decode(bytes);
  return text.includes(REPLACEMENT) ? escapeBytes(bytes) : text;
}

export function bytesOfText(text: string): Uint8Array {
  if (text.isWellFormed()) return encoder.encode(text);
  return concatBytes(Array.from(text, bytesOfCharacter));
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function escapeBytes(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const byte = bytes[at] as number;
    const character = bytes.subarray(at, at + sequenceBytes(byte));
    if (isCharacter(character)) {
      text += decoder.decode(character);
      at += character.length;
    } else {
      text += String.fromCharCode(ESCAPE + byte);
      at++;
    }
  }
  return text;
}

/** How many bytes a character has that begins with this one */
function sequenceBytes(first: number): number {
  if (first >= 0xf0) return 4;
  if (first >= 0xe0) return 3;
  return first >= 0xc0 ? 2 : 1;
}

function isCharacter(bytes: Uint8Array): boolean {
  const text = decoder.decode(bytes);
  const isReplacementItself = bytes[0] === 0xef && bytes[1] === 0xbf && bytes[2] === 0xbd;
  return isReplacementItself || !text.includes(REPLACEMENT);
}

function bytesOfCharacter(character: string): Uint8Array {
  const byte = character.charCodeAt(0) - ESCAPE;
  return character.length === 1 && byte >= 0x80 && byte <= 0xff ? Uint8Array.of(byte) : encoder.encode(character);
}
