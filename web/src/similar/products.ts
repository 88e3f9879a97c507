/**
 * Inner products of a question with every photo of a gallery: in WebAssembly with SIMD (similar.wat), or in JavaScript
 * where a browser has none. Both give the same integers.
 */
import code from './similar.wat';

type Codes = Int8Array<ArrayBuffer>;

/** Takes a question, int16 of `stride` numbers, and gives its product with each photo; valid until the next question. */
export type Products = (question: Int16Array) => Int32Array;

interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly products: (codes: number, photos: number, stride: number, question: number, sums: number) => void;
}

const PAGE = 1 << 16;

/**
 * Products in JavaScript.
 *
 * @param codes of the photos, `stride` numbers each.
 */
export function plainProducts(codes: Codes, stride: number): Products {
  const sums = new Int32Array(codes.length / stride);
  return (question) => {
    for (let photo = 0, at = 0; photo < sums.length; photo++) {
      let sum = 0;
      for (let number = 0; number < stride; number++, at++) sum += codes[at] * question[number];
      sums[photo] = sum;
    }
    return sums;
  };
}

/**
 * Products with SIMD, on a machine whose memory holds a copy of the codes; in JavaScript where that cannot be had.
 *
 * @param codes of the photos, `stride` numbers each, a multiple of 16.
 */
export function simdProducts(codes: Codes, stride: number): Products {
  if (!WebAssembly.validate(code)) return plainProducts(codes, stride);
  const { memory, products } = new WebAssembly.Instance(new WebAssembly.Module(code)).exports as unknown as Exports;
  const photos = codes.length / stride;
  const asked = codes.length; // the strides are multiples of 16, and so is where each part begins
  const sums = asked + stride * Int16Array.BYTES_PER_ELEMENT;
  const missing = sums + photos * Int32Array.BYTES_PER_ELEMENT - memory.buffer.byteLength;
  try {
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
  } catch {
    return plainProducts(codes, stride);
  }
  new Int8Array(memory.buffer).set(codes);
  const question = new Int16Array(memory.buffer, asked, stride);
  const found = new Int32Array(memory.buffer, sums, photos);
  return (given) => {
    question.set(given);
    products(0, photos, stride, asked, sums);
    return found;
  };
}
