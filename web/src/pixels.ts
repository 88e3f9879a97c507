/**
 * Exact pixels out of an `ImageBitmap`. A video frame gives those of a JPEG without drawing them, a 2D canvas those of any
 * opaque image; it stores premultiplied pixels, whatever one asks for, so partly transparent ones are read through WebGL
 * where there is one and are within 1 of exact where there is none. Each way is tried on known pixels first: some browsers
 * perturb what pages read back.
 */
import type { PixelSource } from './resample.ts';

/** Pixels that hold memory until they are closed. */
export type ClosableSource = PixelSource & { close(): void };

/** How `createImageBitmap` must treat every image: stored values as they are. */
export const AS_STORED: ImageBitmapOptions = { colorSpaceConversion: 'none', premultiplyAlpha: 'none' };

const PROBE_EDGE = 64;

type Context2d = OffscreenCanvasRenderingContext2D;

/** A 2D context to read from: in memory rather than on a graphics card, and nothing is smoothed. */
function readingContext(width: number, height: number): Context2d {
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true, colorSpace: 'srgb' });
  if (!context) throw new Error('no 2D canvas');
  context.imageSmoothingEnabled = false;
  context.globalCompositeOperation = 'copy';
  return context;
}

/** Pixels of an opaque image, through a 2D canvas no larger than the rectangle that is read. */
export function canvasSource(bitmap: ImageBitmap): ClosableSource {
  let context: Context2d | undefined;
  return {
    width: bitmap.width,
    height: bitmap.height,
    close: () => undefined,
    read(left, top, width, height) {
      if (context?.canvas.width !== width || context.canvas.height !== height) context = readingContext(width, height);
      context.drawImage(bitmap, left, top, width, height, 0, 0, width, height);
      return context.getImageData(0, 0, width, height).data;
    },
  };
}

/** Pixels of an opaque image of 8 bits a channel, through a video frame that shares them. */
function frameSource(bitmap: ImageBitmap): ClosableSource {
  const frame = new VideoFrame(bitmap, { timestamp: 0 });
  let strip = new Uint8Array();
  return {
    width: bitmap.width,
    height: bitmap.height,
    close: () => frame.close(),
    async read(x, y, width, height, into) {
      const bytes = width * height * 4;
      if (!into && strip.length !== bytes) strip = new Uint8Array(bytes);
      const pixels = into ?? strip;
      await frame.copyTo(pixels, { format: 'RGBA', rect: { x, y, width, height } });
      return pixels;
    },
  };
}

/** Frames have limits of their own to how large an image may be. */
function frameOrCanvasSource(bitmap: ImageBitmap): ClosableSource {
  try {
    return frameSource(bitmap);
  } catch {
    return canvasSource(bitmap);
  }
}

type Reader = (bitmap: ImageBitmap) => ClosableSource;

let jpegReader: Promise<Reader> | undefined;

/** What reads the pixels of JPEGs: video frames where they have been seen to be exact, else canvases. */
export function findJpegReader(): Promise<Reader> {
  return (jpegReader ??= tryFrames());
}

async function tryFrames(): Promise<Reader> {
  try {
    // Read into WebAssembly's memory, as photos are.
    const into = new Uint8Array(new WebAssembly.Memory({ initial: 1 }).buffer, 0, PROBE_EDGE * PROBE_EDGE * 4);
    return (await deviationOf(frameSource, into)) === 0 ? frameOrCanvasSource : canvasSource;
  } catch {
    return canvasSource; // there are no frames, or none that can be had as RGBA
  }
}

/** Reads straight (not premultiplied) pixels through a WebGL 2 texture. */
export class StraightReader {
  private static made: Promise<StraightReader | null> | undefined;
  private readonly gl: WebGL2RenderingContext;
  private readonly largest: number;

  private constructor(gl: WebGL2RenderingContext) {
    this.gl = gl;
    this.largest = gl.getParameter(gl.MAX_TEXTURE_SIZE) as number;
  }

  /**
   * A reader that has been seen to be exact, or null where there is none; the same one for every image. It is made for
   * the first image that needs it: where WebGL is drawn in software its start takes seconds.
   */
  static get(): Promise<StraightReader | null> {
    StraightReader.made ??= StraightReader.create();
    return StraightReader.made;
  }

  private static async create(): Promise<StraightReader | null> {
    const gl = new OffscreenCanvas(1, 1).getContext('webgl2');
    if (!gl) return null;
    const reader = new StraightReader(gl);
    const probe = probePixels(true);
    const bitmap = await createImageBitmap(probe, AS_STORED);
    const source = reader.source(bitmap);
    const exact = source !== null && deviation(probe.data, await source.read(0, 0, PROBE_EDGE, PROBE_EDGE)) === 0;
    source?.close();
    bitmap.close();
    return exact ? reader : null;
  }

  /** The pixels of one image; null if it is too large for this device or the context has been lost. */
  source(bitmap: ImageBitmap): ClosableSource | null {
    const { gl } = this;
    const { width, height } = bitmap;
    if (Math.max(width, height) > this.largest || gl.isContextLost()) return null;
    const texture = gl.createTexture();
    const frame = gl.createFramebuffer();
    const close = () => {
      gl.deleteFramebuffer(frame);
      gl.deleteTexture(texture);
    };
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    if (gl.checkFramebufferStatus(gl.FRAMEBUFFER) !== gl.FRAMEBUFFER_COMPLETE || gl.getError() !== gl.NO_ERROR) {
      close();
      return null;
    }
    return {
      width,
      height,
      close,
      read(left, top, columns, rows) {
        const pixels = new Uint8Array(columns * rows * 4);
        gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
        gl.readPixels(left, top, columns, rows, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
        return pixels;
      },
    };
  }
}

/** The same pixels on one colour: `(c * a + background * (255 - a) + 127) // 255`, as the contract says. */
export function opaque(source: PixelSource, background: readonly [number, number, number]): PixelSource {
  return {
    width: source.width,
    height: source.height,
    async read(left, top, width, height, into) {
      const pixels = await source.read(left, top, width, height, into);
      for (let at = 0; at < pixels.length; at += 4) {
        const alpha = pixels[at + 3];
        if (alpha === 255) continue;
        for (let channel = 0; channel < 3; channel++) {
          const sum = pixels[at + channel] * alpha + background[channel] * (255 - alpha) + 127;
          pixels[at + channel] = (sum / 255) | 0;
        }
      }
      return pixels;
    },
  };
}

/**
 * The canary: draw known opaque pixels and read them back.
 *
 * @returns the largest difference of a byte: 0 in a browser that gives back what was drawn.
 */
export function canvasDeviation(): Promise<number> {
  return deviationOf(canvasSource);
}

async function deviationOf(sourceOf: Reader, into?: Uint8Array<ArrayBuffer>): Promise<number> {
  const probe = probePixels(false);
  const bitmap = await createImageBitmap(probe, AS_STORED);
  try {
    const source = sourceOf(bitmap);
    try {
      return deviation(probe.data, await source.read(0, 0, PROBE_EDGE, PROBE_EDGE, into));
    } finally {
      source.close();
    }
  } finally {
    bitmap.close();
  }
}

/** Pixels in which every value of a byte stands in every channel, next to unlike ones. */
function probePixels(transparent: boolean): ImageData {
  const probe = new ImageData(PROBE_EDGE, PROBE_EDGE);
  for (let at = 0; at < probe.data.length; at++) {
    const isAlpha = at % 4 === 3;
    probe.data[at] = isAlpha && !transparent ? 255 : Math.imul(at + 1, 0x9e3779b1) >>> 24;
  }
  return probe;
}

function deviation(expected: ArrayLike<number>, found: ArrayLike<number>): number {
  let largest = 0;
  for (let at = 0; at < expected.length; at++) largest = Math.max(largest, Math.abs(expected[at] - found[at]));
  return largest;
}
