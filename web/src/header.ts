/**
 * What must be known of an image file before a browser decodes it: its size, whether pixels may be transparent, and,
 * for containers in which browsers do not agree on it, the EXIF orientation.
 *
 * PNG and WebP are handed on without the parts that browsers treat differently from each other and from Pillow:
 * an EXIF block (applied by `exif.ts` instead) and the frames of an animated PNG (its still picture is what is read).
 */
import { readOrientation } from './exif.ts';
import type { Format } from './sniff.ts';

export interface Header {
  /** Size as stored, before any orientation is applied; 0 where the header could not be understood. */
  readonly width: number;
  readonly height: number;
  /** Whether pixels may be partly transparent. */
  readonly alpha: boolean;
  /** Orientation that is left to apply after the browser has decoded `parts`. */
  readonly orientation: number;
  /** Whether the browser turns the picture as it decodes `parts`. */
  readonly turned: boolean;
  /** The bytes to decode, in pieces. */
  readonly parts: readonly Uint8Array<ArrayBuffer>[];
}

type Bytes = Uint8Array<ArrayBuffer>;
type Reader = (bytes: Bytes, view: DataView) => Partial<Header>;

/** Read an image file's header. */
export function readHeader(bytes: Bytes, format: Format): Header {
  const plain: Header = { width: 0, height: 0, alpha: false, orientation: 1, turned: false, parts: [bytes] };
  try {
    return { ...plain, ...READERS[format](bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)) };
  } catch (error) {
    if (error instanceof RangeError) return plain; // the file ends too early: the decoder will say so
    throw error;
  }
}

function fourCharacters(view: DataView, at: number): string {
  return String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));
}

function jpeg(bytes: Bytes, view: DataView): Partial<Header> {
  let at = 2;
  let turned = false;
  for (;;) {
    while (view.getUint8(at) !== 0xff) at++;
    while (view.getUint8(at) === 0xff) at++;
    const marker = view.getUint8(at);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { height: view.getUint16(at + 4), width: view.getUint16(at + 6), turned };
    if (marker === 0xe1 && fourCharacters(view, at + 3) === 'Exif') {
      turned ||= readOrientation(bytes.subarray(at + 3, at + 1 + view.getUint16(at + 1))) !== 1;
    }
    if (marker === 0xd9 || marker === 0xda) return {};
    const standalone = marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);
    at += 1 + (standalone ? 0 : view.getUint16(at + 1));
  }
}

function png(bytes: Bytes, view: DataView): Partial<Header> {
  const width = view.getUint32(16);
  const height = view.getUint32(20);
  const colourType = view.getUint8(25);
  let alpha = colourType === 4 || colourType === 6;
  let orientation = 1;
  const parts: Bytes[] = [];
  let kept = 0;
  for (let at = 8; at + 12 <= bytes.length;) {
    const end = at + 12 + view.getUint32(at);
    const type = fourCharacters(view, at + 4);
    if (type === 'tRNS') alpha = true;
    if (type === 'eXIf') orientation = readOrientation(bytes.subarray(at + 8, end - 4));
    if (['eXIf', 'acTL', 'fcTL', 'fdAT'].includes(type)) {
      parts.push(bytes.subarray(kept, at));
      kept = end;
    }
    at = end;
  }
  parts.push(bytes.subarray(kept));
  return { width, height, alpha, orientation, parts };
}

function webp(bytes: Bytes, view: DataView): Partial<Header> {
  const first = fourCharacters(view, 12);
  if (first === 'VP8 ') {
    return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  }
  if (first === 'VP8L') {
    const bits = view.getUint32(21, true);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1, alpha: (bits >>> 28) % 2 === 1 };
  }
  const flags = view.getUint8(20);
  const width = (view.getUint32(24, true) & 0xffffff) + 1;
  const height = (view.getUint32(26, true) >>> 8) + 1;
  return { width, height, alpha: (flags & 0x10) !== 0, ...withoutExif(bytes, view) };
}

function withoutExif(bytes: Bytes, view: DataView): Partial<Header> {
  for (let at = 12; at + 8 <= bytes.length;) {
    const size = view.getUint32(at + 4, true);
    const end = at + 8 + size + (size % 2);
    if (fourCharacters(view, at) === 'EXIF') {
      const start = bytes.slice(0, at);
      const riff = new DataView(start.buffer);
      riff.setUint32(4, view.getUint32(4, true) - (end - at), true);
      riff.setUint8(20, view.getUint8(20) & ~0x08);
      const orientation = readOrientation(bytes.subarray(at + 8, at + 8 + size));
      return { orientation, parts: [start, bytes.subarray(end)] };
    }
    at = end;
  }
  return {};
}

function gif(_: Bytes, view: DataView): Partial<Header> {
  return { width: view.getUint16(6, true), height: view.getUint16(8, true) };
}

function bmp(_: Bytes, view: DataView): Partial<Header> {
  const old = view.getUint32(14, true) === 12;
  const bits = view.getUint16(old ? 24 : 28, true);
  return {
    width: old ? view.getUint16(18, true) : view.getInt32(18, true),
    height: old ? view.getUint16(20, true) : Math.abs(view.getInt32(22, true)),
    alpha: bits === 16 || bits === 32,
  };
}

/** AVIF's items each have an `ispe` property with their size; the whole picture is the largest. */
function avif(bytes: Bytes, view: DataView): Partial<Header> {
  let width = 0;
  let height = 0;
  let alpha = false;
  const end = Math.min(bytes.length - 16, 1 << 16);
  for (let at = 4; at < end; at++) {
    if (bytes[at] === 0x61 && fourCharacters(view, at) === 'auxC') alpha = true;
    if (bytes[at] !== 0x69 || fourCharacters(view, at) !== 'ispe') continue;
    const [itemWidth, itemHeight] = [view.getUint32(at + 8), view.getUint32(at + 12)];
    if (itemWidth * itemHeight > width * height) [width, height] = [itemWidth, itemHeight];
  }
  return { width, height, alpha };
}

const READERS: Record<Format, Reader> = { jpeg, png, webp, gif, bmp, avif, tiff: () => ({}) };
