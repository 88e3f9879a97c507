/**
 * The format of an image from its first bytes: a port of `sniff` in twinlens/decode.py. What a file's name or its
 * declared type says is never looked at.
 */
import type { Contract } from './contract.gen.ts';
import { FailureError } from './failure.ts';

export type Format = Contract['formats']['browser'][number];

/** Formats that people do have and that Twinlens does not read: naming them beats "not an image". */
const REFUSED: readonly (readonly [offset: number, magic: string, name: string])[] = [
  [4, 'ftypheic', 'HEIC'],
  [4, 'ftypheix', 'HEIC'],
  [4, 'ftypmif1', 'HEIF'],
  [4, 'ftypmsf1', 'HEIF'],
  [0, '\xff\x0a', 'JPEG XL'],
  [0, '\x00\x00\x00\x0cJXL ', 'JPEG XL'],
  [0, '\x00\x00\x00\x0cjP  ', 'JPEG 2000'],
  [0, '\xff\x4f\xff\x51', 'JPEG 2000'],
  [0, '%PDF-', 'PDF'],
  [0, '\x1f\x8b', 'gzip'],
  [0, 'PK\x03\x04', 'ZIP'],
  [0, '8BPS', 'Photoshop'],
  [0, '\x00\x00\x01\x00', 'ICO'],
];

/** How many of a file's first bytes `sniff` looks at. */
const SNIFFED_BYTES = 512;

/**
 * Tell the format of an image.
 *
 * @param head the first `SNIFFED_BYTES` bytes of a file, or all of a shorter one.
 * @param size the file's size in bytes.
 * @throws FailureError `unsupported_format` for a known format that is not read, else `not_an_image`.
 */
export function sniff(head: Uint8Array, size: number): Format {
  const text = Array.from(head.subarray(0, SNIFFED_BYTES), (byte) => String.fromCharCode(byte)).join('');
  if (text.startsWith('\xff\xd8\xff')) return 'jpeg';
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  if (text.startsWith('GIF87a') || text.startsWith('GIF89a')) return 'gif';
  if (text.startsWith('RIFF') && text.startsWith('WEBP', 8)) return 'webp';
  if (['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].some((magic) => text.startsWith(magic))) return 'tiff';
  if (isAvif(text, head)) return 'avif';
  if (text.startsWith('BM') && text.length >= 26) return 'bmp';
  const markup = text.replace(/^[\xef\xbb\xbf \t\r\n]+/, '').toLowerCase();
  if (markup.startsWith('<svg') || (markup.startsWith('<?xml') && markup.includes('<svg'))) {
    throw new FailureError({ code: 'unsupported_format', name: 'SVG' });
  }
  for (const [offset, magic, name] of REFUSED) {
    if (text.startsWith(magic, offset)) throw new FailureError({ code: 'unsupported_format', name });
  }
  throw new FailureError({ code: 'not_an_image', bytes: size });
}

/** A `mif1` brand alone does not say which codec is inside; the compatible brands that follow do. */
function isAvif(text: string, head: Uint8Array): boolean {
  if (!text.startsWith('ftyp', 4)) return false;
  const boxSize = new DataView(head.buffer, head.byteOffset, head.byteLength).getUint32(0);
  const end = Math.min(Math.max(16, Math.min(boxSize, 128)), text.length);
  for (let at = 8; at < end; at += 4) {
    if (['avif', 'avis'].includes(text.slice(at, Math.min(at + 4, end)))) return true;
  }
  return false;
}
