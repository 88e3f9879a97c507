import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Contract } from '../src/contract.gen.ts';
import { expand, isPacked, requireUnpacking, unpack } from '../src/weights.ts';
import golden from './golden/weights.json';

type Weights = Contract['weights'];
type Entries = Parameters<typeof expand>[0];
interface Case {
  readonly entries: Entries;
  readonly weights: Weights;
  readonly shard: Uint8Array<ArrayBuffer>;
  readonly expected: [string, { shape: number[]; float32: string }][];
}

const bytesOf = (base64: string) => Uint8Array.from(Buffer.from(base64, 'base64'));

function load(bits: number): Case {
  const found = structuredClone(golden.find((each) => each.bits === bits)) as unknown as (typeof golden)[number];
  return {
    entries: found.entries as unknown as Entries,
    weights: found.weights as unknown as Weights,
    shard: bytesOf(found.shard),
    expected: Object.entries(found.expected),
  };
}

const failing = (code: string, path: string) =>
  expect.objectContaining({ failure: { code, path } }) as unknown as Error;

afterEach(() => vi.unstubAllGlobals());

describe.each([8, 6, 5, 4])('integers of %i bits', (bits) => {
  const { entries, weights, shard, expected } = load(bits);

  test('become the numbers that Python holds, bit for bit', () => {
    const { entries: found, data } = expand(entries, [shard], weights, 'model.json');
    expect(expected).toHaveLength(5);
    for (const [name, { shape, float32 }] of expected) {
      const at = found.findIndex((entry) => entry.name === name);
      expect(found[at]).toEqual({ name, shape, dtype: 'float32' });
      expect(Buffer.from(data[at]).toString('base64'), name).toBe(float32);
    }
  });

  test('leave out their scales, and pass on what is none', () => {
    const { entries: found, data } = expand(entries, [shard], weights, 'model.json');
    const names = found.map(({ name }) => name);
    expect(names.filter((name) => name.endsWith('.scales'))).toEqual([]);
    const others = entries.filter(({ name }) => !/scales$/.test(name) && !expected.some(([known]) => known === name));
    expect(others.map(({ name }) => name)).toContain('full.bias');
    for (const entry of others) expect(found).toContainEqual(entry);
    expect(data[names.indexOf('full.bias')].byteLength).toBe(6 * 2); // float16 is TensorFlow.js' own
  });
});

test('a tensor may lie across two shards', () => {
  const { entries, weights, shard } = load(6);
  const whole = expand(entries, [shard], weights, 'model.json');
  expect(expand(entries, [shard.slice(0, 100), shard.slice(100)], weights, 'model.json')).toEqual(whole);
});

test('a model without integers is passed on untouched', () => {
  const entries: Entries = [{ name: 'w', shape: [2], dtype: 'float32', quantization: { dtype: 'float16' } }];
  const shard = Uint8Array.of(1, 2, 3, 4);
  expect(expand(entries, [shard], {}, 'model.json')).toEqual({ entries, data: [shard.buffer] });
});

describe('what does not fit together is refused:', () => {
  const spoilt: Record<string, (spoil: { entries: Entries; weights: Weights }) => void> = {
    'a tensor that the contract does not know': ({ weights }) => delete weights.depthwise,
    'scales that are not stored': ({ weights }) => stored(weights, 'full', { scales: 'elsewhere' }),
    'scales for another axis': ({ weights }) => stored(weights, 'full', { axes: [2] }),
    'an axis that the tensor does not have': ({ weights }) => stored(weights, 'full', { axes: [4] }),
    'axes that are no neighbours': ({ weights }) => stored(weights, 'multiplied', { axes: [3, 2] }),
    'more bytes than entries': ({ entries }) => (entries as Entries[number][]).pop(),
    'fewer bytes than entries': ({ entries }) => (entries as Entries[number][]).push(entries[0]),
  };

  function stored(weights: Weights, name: string, change: object): void {
    const weight = weights[name];
    if (weight.encoding === 'integer') Object.assign(weight.tfjs[0], change);
  }

  test.each(Object.entries(spoilt))('%s', (_, spoil) => {
    const { entries, weights, shard } = load(6);
    spoil({ entries, weights });
    expect(() => expand(entries, [shard], weights, 'tfjs/model.json')).toThrow(
      failing('invalid_model', 'tfjs/model.json'),
    );
  });
});

describe('packed files', () => {
  const content = load(6).shard;
  const packed = Uint8Array.from(gzipSync(content));

  test('are told by their name, and unpacked', async () => {
    expect([isPacked('tfjs/weights.01.gz.bin'), isPacked('tfjs/weights.01.bin')]).toEqual([true, false]);
    expect(await unpack('tfjs/weights.01.gz.bin', packed)).toEqual(content);
    expect(await unpack('tfjs/weights.01.bin', packed)).toBe(packed);
  });

  test.each([
    ['cut off', packed.slice(0, -20)],
    ['damaged', packed.map((byte, at) => (at === packed.length - 6 ? byte ^ 1 : byte))], // its own checksum
    ['not packed at all', content],
    ['empty', new Uint8Array()],
  ])('that are %s are refused by name', async (_, bytes) => {
    await expect(unpack('w.gz.bin', bytes)).rejects.toEqual(failing('invalid_model', 'w.gz.bin'));
  });

  test('are refused before they are fetched where the browser cannot unpack', () => {
    requireUnpacking(['w.gz.bin']);
    vi.stubGlobal('DecompressionStream', undefined);
    requireUnpacking(['w.bin']);
    expect(() => requireUnpacking(['w.bin', 'w.gz.bin'])).toThrow('no_decompression');
  });
});
