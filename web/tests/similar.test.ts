import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { fetchGallery, findGallery } from '../src/similar/fetch.ts';
import { GalleryError, largest, openGallery } from '../src/similar/gallery.ts';
import { plainProducts, simdProducts } from '../src/similar/products.ts';
import code from '../src/similar/similar.wat';
import { SIMILAR_TEXTS } from '../src/similar/text.ts';
import golden from './golden/similar.json';

beforeEach(() => vi.stubGlobal('isSecureContext', true));
afterEach(() => vi.unstubAllGlobals());

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

type Sections = Record<string, { offset: number; bytes: number }>;

test.each<[string, (header: Record<string, unknown>, sections: Sections) => void]>([
  ['has more dimensions than there are', (header) => (header.dimensions = 17)],
  ['has no dimensions', (header) => (header.dimensions = 0)],
  ['has another stride', (header) => (header.stride = 32)],
  ['has a stride of nothing', (header) => (header.stride = 0)],
  ['has more photos', (header) => (header.photos = 41)],
  ['has a number that is none', (header) => (header.photos = -1)],
  ['has a text for a number', (header) => (header.embedding_size = '24')],
  ['has no model', (header) => (header.model = null)],
  ['has no sections', (header) => delete header.sections],
  ['has a section less', (_, sections) => delete sections.scales],
  ['has a section that is not aligned', (_, sections) => (sections.mean.offset += 1)],
  ['has a section behind the end', (_, sections) => (sections.codes.offset = 1e5)],
  ['has a section that is too long', (_, sections) => (sections.codes.bytes += 16)],
  ['has a section of half a number', (_, sections) => (sections.mean.bytes -= 2)],
  ['has a longer list of photos', (_, sections) => (sections.photos.bytes += 1e5)],
])('a header that %s is refused, though the digest is not of it', async (_, change) => {
  const whole = bytes(gallery);
  const length = new DataView(whole).getUint32(8, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(whole, 12, length))) as Record<string, unknown>;
  change(header, header.sections as Sections);
  const text = new TextEncoder().encode(JSON.stringify(header).padEnd(length));
  expect(text.length).toBe(length);
  new Uint8Array(whole).set(text, 12);
  expect(await failure(whole)).toBe('invalid_index');
});

test('the largest numbers, equal ones in their order', () => {
  const values = Int32Array.of(3, 9, -5, 9, 3, 12, 3);
  expect(largest(values, 4)).toEqual([5, 1, 3, 0]);
  expect(largest(values, 99)).toEqual([5, 1, 3, 0, 4, 6, 2]);
  expect(largest(values, 0)).toEqual([]);
  expect(largest(new Int32Array(0), 5)).toEqual([]);
});

describe('the gallery that was published', () => {
  const served = (respond: () => Response | Promise<Response>) => {
    const asked = vi.fn(respond);
    vi.stubGlobal('fetch', asked);
    return asked;
  };
  const problem = async () => {
    const error: unknown = await fetchGallery('https://host.example/g', digest).catch((thrown: unknown) => thrown);
    return error instanceof GalleryError ? error.code : error;
  };

  test('is fetched once and opened', async () => {
    const asked = served(() => new Response(bytes(gallery)));
    expect((await fetchGallery('https://host.example/g', digest)).photos).toBe(golden[0].photos);
    expect(asked.mock.calls).toEqual([['https://host.example/g']]);
  });

  test('that cannot be had, or is none, has a code', async () => {
    served(() => new Response('', { status: 404 }));
    expect(await problem()).toBe('not_found');
    served(() => Promise.reject(new TypeError('offline')));
    expect(await problem()).toBe('not_found');
    served(() => new Response('<!doctype html>'));
    expect(await problem()).toBe('invalid_index');
  });

  test('is where the page says, or nowhere', () => {
    const page = (content: string | null) =>
      vi.stubGlobal('document', {
        baseURI: 'https://host.example/photos/',
        querySelector: () => (content === null ? null : { content }),
      });
    page('model/v1/gallery-ab.bin');
    expect(findGallery()).toBe('https://host.example/photos/model/v1/gallery-ab.bin');
    for (const nothing of ['', null]) {
      page(nothing);
      expect(findGallery()).toBeNull();
    }
  });
});

test('every word of the panel is in Chinese too', () => {
  const { problems, ...sentences } = SIMILAR_TEXTS.zh;
  const said = [
    ...Object.values(problems),
    ...Object.values(sentences).map((word) =>
      typeof word === 'string' ? word : (word as (...facts: unknown[]) => string)(3, 'x'),
    ),
  ];
  expect(said.filter((text) => !/[\u4e00-\u9fff]/.test(text))).toEqual([]);
  expect(SIMILAR_TEXTS.en.found(1, 'a.jpg')).toBe('The photo most like “a.jpg”');
});
