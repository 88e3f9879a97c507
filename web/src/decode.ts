/**
 * From an image file to upright, opaque pixels, by the contract's rules and in the browser's own decoder: what
 * twinlens/decode.py does on the server. Runs in the worker.
 */
import type { Contract } from './contract.gen.ts';
import { upright, uprightTransform } from './exif.ts';
import { FailureError } from './failure.ts';
import { type Header, readHeader } from './header.ts';
import { AS_STORED, canvasSource, findJpegReader, opaque, StraightReader } from './pixels.ts';
import type { PixelSource } from './resample.ts';
import { type Format, sniff } from './sniff.ts';

/** The largest images that are decoded, in pixels: the server's defaults. */
const LIMITS = { jpeg: 120_000_000, other: 50_000_000 };

/** How much of a file is read to tell what it is: most JPEGs name their size in it. */
const HEAD_BYTES = 1 << 18;

/** One decoded photo; `close` gives its memory back. */
export interface Photo {
  readonly format: Format;
  /** Upright and opaque. */
  readonly pixels: PixelSource;
  /** A small upright picture of the whole photo. */
  thumbnail(longestEdge: number): ImageBitmap;
  close(): void;
}

/**
 * Decode an image file.
 *
 * Partly transparent pixels are exact where WebGL is, else within 1.
 *
 * @throws FailureError `not_an_image`, `unsupported_format`, `server_only_format`, `too_many_pixels`, `broken_image`,
 *   `unreadable_file`.
 */
export async function decode(file: Blob, contract: Contract): Promise<Photo> {
  const head = await bytesOf(file.slice(0, HEAD_BYTES));
  const format = sniff(head, file.size);
  if (!contract.formats.browser.includes(format)) {
    const onServer = contract.formats.server.includes(format);
    throw new FailureError(
      onServer ? { code: 'server_only_format', format } : { code: 'unsupported_format', name: format.toUpperCase() },
    );
  }
  const { header, encoded } = await open(file, head, format);
  const { width, height, orientation } = header;
  const allowed = format === 'jpeg' ? LIMITS.jpeg : LIMITS.other;
  if (width * height > allowed) throw new FailureError({ code: 'too_many_pixels', width, height, allowed });

  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(encoded, AS_STORED);
  } catch {
    throw new FailureError({ code: 'broken_image', format });
  }
  const exact = header.alpha ? (await StraightReader.get())?.source(bitmap) : null;
  // A frame may show a picture as it was before it was turned.
  const read = format === 'jpeg' && !header.turned ? await findJpegReader() : canvasSource;
  const stored = exact ?? read(bitmap);
  const pixels = upright(format === 'jpeg' ? stored : opaque(stored, contract.decode.alpha_background), orientation);
  return {
    format,
    pixels,
    thumbnail: (longestEdge) => thumbnail(bitmap, orientation, pixels, longestEdge),
    close() {
      stored.close();
      bitmap.close();
    },
  };
}

/**
 * A file's header, and what is to be decoded.
 *
 * @param head the file's beginning.
 */
async function open(
  file: Blob,
  head: Uint8Array<ArrayBuffer>,
  format: Format,
): Promise<{ header: Header; encoded: Blob }> {
  if (format === 'jpeg') {
    // JPEGs are decoded as they are, so the rest of one need not be read here.
    const header = readHeader(head, format);
    if (header.width > 0) return { header, encoded: file.slice() }; // without its type, which need not be right
  }
  const header = readHeader(head.length < file.size ? await bytesOf(file) : head, format);
  return { header, encoded: new Blob([...header.parts]) };
}

async function bytesOf(blob: Blob): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch {
    throw new FailureError({ code: 'unreadable_file' });
  }
}

function thumbnail(bitmap: ImageBitmap, orientation: number, size: PixelSource, longestEdge: number): ImageBitmap {
  const scale = Math.min(longestEdge / Math.max(size.width, size.height), 1);
  const width = Math.max(Math.round(size.width * scale), 1);
  const height = Math.max(Math.round(size.height * scale), 1);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d');
  if (!context) throw new Error('no 2D canvas');
  context.imageSmoothingQuality = 'high';
  context.scale(width / size.width, height / size.height);
  context.transform(...uprightTransform(orientation, bitmap.width, bitmap.height));
  context.drawImage(bitmap, 0, 0);
  return canvas.transferToImageBitmap();
}
