/** A small tar from memory: files and folders of root's. */

const BLOCK_BYTES = 512;

/** A name that ends with a slash is a folder. */
type TarFile = { name: string; mode: number; content?: Buffer };

export function writeTar(files: TarFile[]): Buffer {
  return Buffer.concat([...files.flatMap(writeEntry), Buffer.alloc(2 * BLOCK_BYTES)]);
}

function writeEntry({ name, mode, content = Buffer.alloc(0) }: TarFile): Buffer[] {
  const header = Buffer.alloc(BLOCK_BYTES);
  header.write(name, 0, 'utf8');
  header.write(octal(mode, 8), 100);
  header.write(octal(0, 8) + octal(0, 8), 108); // root, root
  header.write(octal(content.length, 12) + octal(0, 12), 124); // the time does not matter
  header.write(' '.repeat(8), 148); // as which the checksum counts itself
  header.write(name.endsWith('/') ? '5' : '0', 156);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 7)} `, 148);
  return [header, content, Buffer.alloc(-content.length & (BLOCK_BYTES - 1))];
}

function octal(value: number, bytes: number): string {
  return `${value.toString(8).padStart(bytes - 1, '0')}\0`;
}
