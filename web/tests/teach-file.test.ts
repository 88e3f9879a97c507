import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Example, LIMITS } from '../src/teach/example.ts';
import { read, type TaughtModel, write } from '../src/teach/file.ts';

const MODEL: TaughtModel = { name: 'clothing', version: 'v1', digest: 'd'.repeat(64), embeddingSize: 5 };
const JPEG = Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 1, 2, 3);

const sha = (text: string) => createHash('sha256').update(text).digest('hex');
const example = (label: string, name: string, numbers: number[], thumbnail: Example['thumbnail'] = null): Example => ({
  label,
  sha256: sha(name),
  embedding: Float32Array.from(numbers),
  thumbnail,
});
const EXAMPLES = [
  example('Mug', 'a', [1, 0.1, -2.5e-8, 3e38, 0], JPEG),
  example('我的自行车', 'b', [0, 0, 0, 0, 0]),
  example('Mug', 'c', [Math.PI, Math.E, 1e-45, -0, 7]),
];
const sorted = (examples: Example[]) => examples.sort((a, b) => a.sha256.localeCompare(b.sha256));

/** The content of a file, changed, under a digest that is right: what someone would make who knows the format. */
async function forged(change: (content: Content) => void, head: object = {}): Promise<Blob> {
  const file = JSON.parse(await (await write(EXAMPLES, MODEL, true)).text()) as { content: Content };
  change(file.content);
  return new Blob([JSON.stringify({ ...file, sha256: sha(JSON.stringify(file.content)), ...head })]);
}
interface Photo {
  input: unknown;
  embedding: unknown;
  thumbnail?: unknown;
}
interface Content {
  model: Record<string, unknown>;
  embedding: Record<string, unknown>;
  labels: { name: unknown; photos: Photo[] }[];
}

beforeAll(() => void vi.stubGlobal('isSecureContext', true));
afterAll(() => void vi.unstubAllGlobals());

const refusal = async (file: Blob) =>
  read(file, MODEL).then(
    () => null,
    (error: unknown) => (error as { problem: unknown }).problem,
  );
const floats = (...numbers: number[]) => Buffer.from(Float32Array.from(numbers).buffer).toString('base64');

describe('a file', () => {
  test('brings back what was taught, number for number, with the small pictures if they were asked for', async () => {
    const found = await read(await write(EXAMPLES, MODEL, true), MODEL);
    expect(sorted(found)).toEqual(sorted([...EXAMPLES]));
    expect(Object.is(found.find(({ sha256 }) => sha256 === sha('c'))?.embedding[3], -0)).toBe(true);
    const without = await write(EXAMPLES, MODEL, false);
    expect(await without.text()).not.toContain('thumbnail');
    expect((await read(without, MODEL)).map(({ thumbnail }) => thumbnail)).toEqual([null, null, null]);
  });

  test('may have been indented anew', async () => {
    const text = await (await write(EXAMPLES, MODEL, true)).text();
    const again = new Blob([JSON.stringify(JSON.parse(text), null, 4)]);
    expect(await read(again, MODEL)).toHaveLength(3);
  });

  test('holds nothing but what is documented', async () => {
    const file = JSON.parse(await (await write(EXAMPLES.slice(0, 1), MODEL, true)).text()) as object;
    expect(file).toEqual({
      format: 'twinlens-taught',
      version: 1,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      content: {
        model: { name: 'clothing', version: 'v1', digest: MODEL.digest },
        embedding: { size: 5, encoding: 'float32-little-endian-base64' },
        labels: [
          {
            name: 'Mug',
            photos: [
              {
                input: sha('a'),
                embedding: floats(1, 0.1, -2.5e-8, 3e38, 0),
                thumbnail: Buffer.from(JPEG).toString('base64'),
              },
            ],
          },
        ],
      },
    });
  });
});

describe('a file is refused', () => {
  test('of another model, which is named', async () => {
    const file = await write(EXAMPLES, { ...MODEL, name: 'birds', digest: 'e'.repeat(64) }, false);
    expect(await refusal(file)).toEqual({ code: 'file_other_model', name: 'birds', version: 'v1' });
  });

  test.each([
    ['nothing', ''],
    ['text', 'Dear diary'],
    ['a picture', '\u00ff\u00d8\u00ff\u00e0'],
    ['other JSON', '{"scores": [1, 2]}'],
    ['a list', '["twinlens-taught"]'],
    ['a number', '7'],
    ['nothing at all in JSON', 'null'],
  ])('that is something else: %s', async (_, text) => {
    expect(await refusal(new Blob([text]))).toEqual({ code: 'file_not_taught' });
  });

  test('of a later format', async () => {
    expect(await refusal(await forged(() => undefined, { version: 2 }))).toEqual({
      code: 'file_version',
      version: '2',
    });
  });

  test('that is too large, unread', async () => {
    const file = new Blob(['{}']);
    Object.defineProperty(file, 'size', { value: 2 ** 31 });
    file.text = () => Promise.reject(new Error('was read'));
    expect(await refusal(file)).toEqual({ code: 'file_too_large', bytes: 2 ** 31, allowed: 32 * 2 ** 20 });
  });

  test('that has gone', async () => {
    const file = new Blob(['{}']);
    file.text = () => Promise.reject(new DOMException('gone', 'NotFoundError'));
    expect(await refusal(file)).toEqual({ code: 'file_unreadable' });
  });

  test('cut off anywhere', async () => {
    const text = await (await write(EXAMPLES, MODEL, true)).text();
    for (let length = 40; length < text.length - 1; length += 37) {
      expect(await refusal(new Blob([text.slice(0, length)]))).toEqual({ code: 'file_damaged', where: 'JSON' });
    }
  });

  test('with any character changed', async () => {
    const bytes = new Uint8Array(await (await write(EXAMPLES, MODEL, true)).arrayBuffer());
    for (let at = new TextDecoder().decode(bytes).indexOf('"sha256"'); at < bytes.length - 1; at++) {
      const changed = bytes.slice();
      changed[at] ^= 1;
      expect(await refusal(new Blob([changed]))).toMatchObject({ code: 'file_damaged' });
    }
  });

  const photo = (content: Content) => content.labels[0].photos[0];
  test.each<[string, (content: Content) => void]>([
    ['embedding.size', (content) => (content.embedding.size = 4)],
    ['embedding.encoding', (content) => (content.embedding.encoding = 'float64')],
    ['model', (content) => Object.assign(content, { model: null })],
    ['labels', (content) => Object.assign(content, { labels: {} })],
    ['labels[0]', (content) => Object.assign(content.labels, ['Mug'])],
    ['labels[0].name', (content) => (content.labels[0].name = '')],
    ['labels[0].name', (content) => (content.labels[0].name = ' Mug ')],
    ['labels[0].name', (content) => (content.labels[0].name = 'x'.repeat(LIMITS.characters + 1))],
    ['labels[0].name', (content) => (content.labels[0].name = { toString: 'Mug' })],
    ['labels[0].photos', (content) => Object.assign(content.labels[0], { photos: 'none' })],
    ['labels[0].photos[0].input', (content) => (photo(content).input = '../../etc/passwd')],
    ['labels[0].photos[0].embedding', (content) => (photo(content).embedding = [1, 2, 3, 4, 5])],
    ['labels[0].photos[0].embedding', (content) => (photo(content).embedding = floats(1, 2, 3, 4))],
    ['labels[0].photos[0].embedding', (content) => (photo(content).embedding = floats(1, 2, 3, 4, 5, 6))],
    ['labels[0].photos[0].embedding', (content) => (photo(content).embedding = floats(1, 2, NaN, 4, 5))],
    ['labels[0].photos[0].embedding', (content) => (photo(content).embedding = floats(1, 2, -Infinity, 4, 5))],
    ['labels[0].photos[0].embedding', (content) => (photo(content).embedding = '!' + floats(1, 2, 3, 4, 5).slice(1))],
    ['labels[0].photos[0].embedding', (content) => (photo(content).embedding = floats(1, 2, 3, 4, 5).slice(1))],
    ['labels[0].photos[0].thumbnail', (content) => (photo(content).thumbnail = null)],
    [
      'labels[0].photos[0].thumbnail',
      (content) => (photo(content).thumbnail = Buffer.from('<svg/>').toString('base64')),
    ],
    [
      'labels[0].photos[0].thumbnail',
      (content) => (photo(content).thumbnail = Buffer.concat([JPEG, Buffer.alloc(20_000)]).toString('base64')),
    ],
    ['photos: one twice', (content) => content.labels.push({ name: 'Cup', photos: [photo(content)] })],
  ])('with %s made up, whatever its digest says', async (where, change) => {
    expect(await refusal(await forged(change))).toEqual({ code: 'file_damaged', where });
  });

  test('that holds more than is taught at a time', async () => {
    const many = (photos: number, labels: number) =>
      Array.from({ length: photos }, (_, index) => example(`${index % labels}`, `${index}`, [1, 2, 3, 4, 5]));
    const tooMany = await write(many(LIMITS.photos + 1, 2), MODEL, false);
    expect(await refusal(tooMany)).toEqual({ code: 'too_many_photos', allowed: LIMITS.photos });
    const tooWide = await write(many(50, LIMITS.labels + 1), MODEL, false);
    expect(await refusal(tooWide)).toEqual({ code: 'too_many_labels', allowed: LIMITS.labels });
    expect(await read(await write(many(LIMITS.photos, LIMITS.labels), MODEL, false), MODEL)).toHaveLength(
      LIMITS.photos,
    );
  });
});
