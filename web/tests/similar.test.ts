import { beforeEach, describe, expect, test, vi } from 'vitest';
import { GalleryError, largest, openGallery } from '../src/similar/gallery.ts';
import { plainProducts, simdProducts } from '../src/similar/products.ts';
import code from '../src/similar/similar.wat';
import golden from './golden/similar.json';

beforeEach(() => vi.stubGlobal('isSecureContext', true));

const bytes = (base64: string) => Uint8Array.from(Buffer.from(base64, 'base64')).buffer;
const { gallery, digest } = golden[0];

/** What opening a file fails with. */
async function failure(file: ArrayBuffer, of = digest): Promise<string> {
  const error: unknown = await openGallery(file, of).catch((thrown: unknown) => thrown);
  if (!(error instanceof GalleryError)) throw new Error('it was opened');
  return error.code;
}

describe.each([
  ['with SIMD', simdProducts],
  ['in JavaScript', plainProducts],
])('a gallery searched %s', (_, productsOf) => {
  test.each(golden)('of $photos photos gives what the server’s code gives', async (wanted) => {
    const asked: number[][] = [];
    const opened = await openGallery(bytes(wanted.gallery), wanted.digest, (codes, stride) => {
      const products = productsOf(codes, stride);
      return (question) => {
        asked.push([...question]);
        return products(question);
      };
    });
    expect(opened.photos).toBe(wanted.photos);
    for (const { embedding, integers, neighbours } of wanted.asked) {
      const found = opened.search(Float32Array.from(embedding), neighbours.length);
      expect(found.map(({ id, label }) => ({ id, label }))).toEqual(neighbours.map(({ id, label }) => ({ id, label })));
      for (const [at, { score }] of found.entries()) expect(score).toBeCloseTo(neighbours[at].score, 9);
      expect(asked.pop()?.slice(0, integers.length)).toEqual(integers);
    }
  });

  test('gives as many as there are, nearest first', async () => {
    const opened = await openGallery(bytes(gallery), digest, productsOf);
    const [{ embedding }] = golden[0].asked;
    const all = opened.search(Float32Array.from(embedding), 1000);
    expect(all.length).toBe(opened.photos);
    expect(new Set(all.map(({ id }) => id)).size).toBe(opened.photos);
    const scores = all.map(({ score }) => score);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    expect(opened.search(Float32Array.from(embedding), 0)).toEqual([]);
  });
});

test('products at the ends of their ranges do not overflow', () => {
  const [stride, photos] = [128, 3];
  const codes = new Int8Array(photos * stride).fill(127);
  codes.fill(-127, stride, 2 * stride);
  const question = new Int16Array(stride).fill(32_767);
  const wanted = [1, -1, 1].map((sign) => sign * stride * 127 * 32_767);
  for (const productsOf of [plainProducts, simdProducts])
    expect([...productsOf(codes, stride)(question)]).toEqual(wanted);
});

test('a gallery larger than a page of memory is searched whole', () => {
  const [stride, photos] = [16, 10_000];
  const codes = Int8Array.from({ length: photos * stride }, (_, at) => ((at * 31) % 255) - 127);
  const question = Int16Array.from({ length: stride }, (_, at) => at * 1000 - 7000);
  expect(simdProducts(codes, stride)(question)).toEqual(plainProducts(codes, stride)(question));
});

test('without SIMD it is done in JavaScript', () => {
  const validate = vi.spyOn(WebAssembly, 'validate').mockReturnValueOnce(false);
  expect([...simdProducts(new Int8Array(16).fill(2), 16)(new Int16Array(16).fill(3))]).toEqual([96]);
  expect(validate).toHaveBeenCalledWith(code);
});

test('an embedding of zeros is like nothing more than anything', async () => {
  const zeros = new Float32Array(golden[0].asked[0].embedding.length);
  const found = (await openGallery(bytes(gallery), digest)).search(zeros, 3);
  expect(found.every(({ score }) => Number.isFinite(score))).toBe(true);
});

test('an embedding of another size is a mistake of ours', async () => {
  const opened = await openGallery(bytes(gallery), digest);
  expect(() => opened.search(new Float32Array(3), 1)).toThrow(RangeError);
});

test('another model’s gallery is refused', async () => {
  expect(await failure(bytes(gallery), 'cd'.repeat(32))).toBe('index_mismatch');
});

test.each([
  ['empty', (whole: Uint8Array) => whole.slice(0, 0)],
  ['something else', (whole: Uint8Array) => whole.map((byte, at) => (at === 0 ? byte + 1 : byte))],
  ['cut off in its header', (whole: Uint8Array) => whole.slice(0, 40)],
  ['cut off behind it', (whole: Uint8Array) => whole.slice(0, -16)],
  ['changed', (whole: Uint8Array) => whole.map((byte, at) => (at === whole.length - 20 ? byte ^ 1 : byte))],
  ['of a broken header', (whole: Uint8Array) => whole.map((byte, at) => (at === 12 ? 0x7d : byte))],
])('a file that is %s is refused', async (_, change) => {
  const changed = change(new Uint8Array(bytes(gallery)));
  expect(await failure(Uint8Array.from(changed).buffer)).toBe('invalid_index');
});

test('the largest numbers, equal ones in their order', () => {
  const values = Int32Array.of(3, 9, -5, 9, 3, 12, 3);
  expect(largest(values, 4)).toEqual([5, 1, 3, 0]);
  expect(largest(values, 99)).toEqual([5, 1, 3, 0, 4, 6, 2]);
  expect(largest(values, 0)).toEqual([]);
  expect(largest(new Int32Array(0), 5)).toEqual([]);
});
