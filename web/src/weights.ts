/**
 * Weights as they are published, to weights as TensorFlow.js takes them: shards unpacked, and integers multiplied with
 * the scale of their channel. A product has no more bits than float32 holds, so these are the server's very numbers.
 */
import type { io } from '@tensorflow/tfjs-core';
import type { Contract, StoredIntegers } from './contract.gen.ts';
import { FailureError } from './failure.ts';

type Bytes = Uint8Array<ArrayBuffer>;
type Entry = io.WeightsManifestEntry;

/** What `tf.loadGraphModel` is given: the entry of every tensor, and the bytes of all of them in that order. */
export interface Expanded {
  readonly entries: Entry[];
  readonly data: ArrayBuffer[];
}

/** Bytes of one number as it is stored. */
const WIDTH: Readonly<Record<string, number>> = { float32: 4, int32: 4, float16: 2, int8: 1 };

/**
 * Whether a file is packed with gzip. Its name does not end in `.gz`, since hosts give such files out with a
 * Content-Encoding and the browser would unpack them before their digest is checked.
 */
export function isPacked(path: string): boolean {
  return path.endsWith('.gz.bin');
}

/**
 * Refuse files that this browser could not unpack, before they are fetched.
 *
 * @throws FailureError `no_decompression`.
 */
export function requireUnpacking(paths: readonly string[]): void {
  if (paths.some(isPacked) && typeof DecompressionStream === 'undefined') {
    throw new FailureError({ code: 'no_decompression' });
  }
}

/**
 * The content of a file, unpacked if it is packed.
 *
 * @throws FailureError `invalid_model` if it is damaged.
 */
export async function unpack(path: string, bytes: Bytes): Promise<Bytes> {
  if (!isPacked(path)) return bytes;
  try {
    const content = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
    return new Uint8Array(await new Response(content).arrayBuffer());
  } catch {
    throw new FailureError({ code: 'invalid_model', path });
  }
}

/**
 * Expand what stock TensorFlow.js cannot read; everything else is passed on as it is.
 *
 * @param entries of the weights manifest, in order.
 * @param shards unpacked; together the tensors' bytes in that order, little-endian.
 * @param weights the contract's: which tensors are integers, and where their scales are.
 * @param path of the graph, which a failure names.
 * @throws FailureError `invalid_model` if shards, manifest and contract do not fit together.
 */
export function expand(
  entries: readonly Entry[],
  shards: readonly Bytes[],
  weights: Contract['weights'],
  path: string,
): Expanded {
  if (!entries.some((entry) => storedType(entry) === 'int8')) {
    return { entries: [...entries], data: shards.map(({ buffer }) => buffer) };
  }
  const invalid = new FailureError({ code: 'invalid_model', path });
  const stored = cut(entries, shards);
  if (!stored) throw invalid;
  const layouts = Object.values(weights).flatMap((weight) => (weight.encoding === 'integer' ? weight.tfjs : []));
  const scales = new Set(layouts.map((layout) => layout.scales));
  const kept = entries.filter(({ name }) => !scales.has(name));
  const data = kept.map((entry) => {
    const bytes = stored.get(entry.name) as ArrayBuffer;
    if (storedType(entry) !== 'int8') return bytes;
    const layout = layouts.find(({ name }) => name === entry.name);
    const factors = layout && stored.get(layout.scales);
    const product = factors && multiply(new Int8Array(bytes), new Float32Array(factors), entry.shape, layout);
    if (!product) throw invalid;
    return product.buffer;
  });
  return { entries: kept.map(asExpanded), data };
}

/** TensorFlow.js' types do not know `int8`, which stock TensorFlow.js refuses. */
function storedType(entry: Entry): string {
  return entry.quantization?.dtype ?? entry.dtype;
}

function asExpanded(entry: Entry): Entry {
  const { name, shape, dtype } = entry;
  return storedType(entry) === 'int8' ? { name, shape, dtype } : entry;
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, edge) => size * edge, 1);
}

/** The bytes of each tensor by its name; null if there are more or fewer than the entries say. */
function cut(entries: readonly Entry[], shards: readonly Bytes[]): Map<string, ArrayBuffer> | null {
  const all = new Uint8Array(shards.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const shard of shards) {
    all.set(shard, at);
    at += shard.length;
  }
  const found = new Map<string, ArrayBuffer>();
  at = 0;
  for (const entry of entries) {
    const end = at + sizeOf(entry.shape) * WIDTH[storedType(entry)];
    found.set(entry.name, all.buffer.slice(at, end));
    at = end;
  }
  return at === all.length ? found : null;
}

/**
 * Integers times scales.
 *
 * @returns null if there is not one scale for each place along the layout's axes.
 */
function multiply(
  integers: Int8Array,
  scales: Float32Array,
  shape: readonly number[],
  { axes }: StoredIntegers,
): Float32Array<ArrayBuffer> | null {
  const first = axes.length > 0 ? axes[0] : shape.length;
  const end = first + axes.length;
  const neighbours = axes.every((axis, index) => axis === first + index) && end <= shape.length;
  if (!neighbours || sizeOf(shape.slice(first, end)) !== scales.length) return null;
  const run = sizeOf(shape.slice(end));
  const product = new Float32Array(integers.length);
  for (let at = 0; at < product.length;) {
    for (const scale of scales) {
      for (const stop = at + run; at < stop; at++) product[at] = integers[at] * scale;
    }
  }
  return product;
}
