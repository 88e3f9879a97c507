/**
 * Both passes of resample.ts in WebAssembly with SIMD (resample.wat): the same bytes, sooner.
 */
import { CHANNELS, type Coefficients, type Passes, plainPasses } from './resample.ts';
import code from './resample.wat';

/** What resample.wat exports; all arguments are places in the memory, or numbers of bytes, rows or pixels. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  columns(...places: number[]): void;
  rows(...places: number[]): void;
}

const PAGE = 1 << 16;
/** The functions work on 16 bytes at a time, and what lies apart begins at a multiple of as many. */
const LANE = 16;
/** A memory that a panorama has made larger than this is given back after it. */
const KEPT_BYTES = 32 << 20;

let compiled: WebAssembly.Module | null | undefined;
/** Machines that no image is using; two photos are in progress at a time. */
const idle: Exports[] = [];

/**
 * Both passes for one image, on a machine of its own; in JavaScript where there is no SIMD, or no memory for it.
 *
 * @param stripRows the most rows that come at a time.
 */
export function simdPasses(columns: Coefficients, rows: Coefficients, stripRows: number): Passes {
  const machine = idle.pop() ?? instantiate();
  if (!machine) return plainPasses(columns, rows);
  const width = columns.first.length;
  const height = rows.first.length;
  const step = padded(width * CHANNELS);
  const pixelsStep = (columns.end - columns.begin) * 4;
  let end = 0;
  const place = (bytes: number) => {
    const begin = end;
    end = padded(end + bytes);
    return begin;
  };
  const [across, down] = [columns, rows].map(({ first, count, weights }) =>
    [first, count, weights].map(({ byteLength }) => place(byteLength)),
  );
  const narrow = place((rows.end - rows.begin) * step);
  const result = place(height * step);
  const strip = place(stripRows * pixelsStep);
  if (!reserve(machine.memory, end + LANE)) return plainPasses(columns, rows);

  const bytes = new Uint8Array(machine.memory.buffer);
  const write = (values: Int32Array, at: number) => new Int32Array(bytes.buffer, at, values.length).set(values);
  for (const [{ first, begin, count, weights }, places, unit] of [
    [columns, across, 4],
    [rows, down, step],
  ] as const) {
    write(
      first.map((position) => (position - begin) * unit),
      places[0],
    );
    write(count, places[1]);
    write(weights, places[2]);
  }
  return {
    strip: (count) => bytes.subarray(strip, strip + count * pixelsStep),
    columns(pixels, count, row) {
      if (pixels.buffer !== bytes.buffer) bytes.set(pixels, strip);
      const to = narrow + row * step;
      machine.columns(strip, pixelsStep, count, ...across, columns.size * 4, width, to, step);
    },
    rows() {
      machine.rows(narrow, step, ...down, rows.size * 4, height, result);
      const packed = new Uint8Array(height * width * CHANNELS);
      for (let row = 0; row < height; row++) {
        const from = result + row * step;
        packed.set(bytes.subarray(from, from + width * CHANNELS), row * width * CHANNELS);
      }
      return packed;
    },
    close() {
      if (machine.memory.buffer.byteLength <= KEPT_BYTES) idle.push(machine);
    },
  };
}

function padded(bytes: number): number {
  return Math.ceil(bytes / LANE) * LANE;
}

/** Make a memory as large as this; whether it is. */
function reserve(memory: WebAssembly.Memory, bytes: number): boolean {
  const missing = Math.ceil((bytes - memory.buffer.byteLength) / PAGE);
  if (missing <= 0) return true;
  try {
    memory.grow(missing);
    return true;
  } catch {
    return false;
  }
}

/** Null where there is no SIMD, or no memory for another machine. */
function instantiate(): Exports | null {
  if (compiled === undefined) compiled = WebAssembly.validate(code) ? new WebAssembly.Module(code) : null;
  try {
    return compiled && (new WebAssembly.Instance(compiled).exports as unknown as Exports);
  } catch {
    return null;
  }
}
