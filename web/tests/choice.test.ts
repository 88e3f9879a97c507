import { describe, expect, test } from 'vitest';
import {
  askedBackend,
  contestantsOf,
  type ContestantId,
  fastest,
  type Finding,
  hopeful,
  median,
  nameOf,
  relativeError,
  standings,
} from '../src/choice.ts';

const found = (milliseconds: number | null, rest: Partial<Finding> = {}): Finding => ({
  milliseconds,
  reason: null,
  threads: null,
  ...rest,
});

describe('?backend=', () => {
  test.each([
    ['?backend=webgl', 'webgl'],
    ['?lang=zh&backend=wasm', 'wasm'],
    ['?backend=webgpu', 'webgpu'],
    ['?backend=cpu', null],
    ['?backend=wasm-threads', null],
    ['?backend=', null],
    ['', null],
  ])('%s asks for %s', (query, name) => {
    expect(askedBackend(query)).toBe(name);
  });
});

test('the median of an odd and of an even number of times', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([10])).toBe(10);
});

test('the fastest, the first of those that are as fast', () => {
  expect(
    fastest(
      new Map<ContestantId, number>([
        ['wasm', 9],
        ['webgl', 7],
        ['webgpu', 8],
      ]),
    ),
  ).toBe('webgl');
  expect(
    fastest(
      new Map<ContestantId, number>([
        ['wasm', 7],
        ['webgl', 7],
      ]),
    ),
  ).toBe('wasm');
  expect(fastest(new Map())).toBeNull();
});

test('what takes more than three times as long as the fastest is not measured again', () => {
  const times = new Map<ContestantId, number>([
    ['wasm', 10],
    ['wasm-threads', 30],
    ['webgl', 30.5],
  ]);
  expect(hopeful(times)).toEqual(['wasm', 'wasm-threads']);
});

describe('the error of logits', () => {
  test('is relative to the largest', () => {
    expect(relativeError([1, -4.5], [1, -4])).toBeCloseTo(0.125, 12);
  });

  test('is none where nothing differs, even between zeros', () => {
    expect(relativeError([0, 0], [0, 0])).toBe(0);
    expect(relativeError([1, 2], [1, 2])).toBe(0);
  });

  test('is beyond every tolerance where an answer is no number or missing', () => {
    expect(relativeError([1, NaN], [1, 2])).toBe(Infinity);
    expect(relativeError([1, Infinity], [1, 2])).toBe(Infinity);
    expect(relativeError([1], [1, 2])).toBe(Infinity);
  });
});

describe('the contestants of a name', () => {
  test('are the faster one first', () => {
    const findings = new Map([
      ['wasm', found(20)],
      ['wasm-threads', found(30)],
    ] as const);
    expect(contestantsOf('wasm', findings)).toEqual(['wasm', 'wasm-threads']);
  });

  test('are several threads before one where nothing was measured', () => {
    expect(contestantsOf('wasm', new Map())).toEqual(['wasm-threads', 'wasm']);
  });

  test('leave out what was refused', () => {
    const findings = new Map([['webgl', found(null, { reason: 'inexact' })]] as const);
    expect(contestantsOf('webgl', findings)).toEqual([]);
  });
});

describe('what the page is told', () => {
  test('both kinds of WebAssembly are one backend, with the threads of the one in use', () => {
    const findings = new Map([
      ['wasm', found(20, { threads: 1 })],
      ['wasm-threads', found(12, { threads: 2 })],
    ] as const);
    const [wasm] = standings(findings, 'wasm-threads');
    expect(wasm).toEqual({ name: 'wasm', state: 'in-use', milliseconds: 12, reason: null, threads: 2 });
    expect(nameOf('wasm-threads')).toBe('wasm');
  });

  test('of what is not in use, whether it could be', () => {
    const findings = new Map([
      ['wasm', found(20, { threads: 1 })],
      ['webgl', found(15)],
      ['webgpu', found(null, { reason: 'unavailable' })],
    ] as const);
    expect(standings(findings, 'webgl').map(({ state, reason }) => [state, reason])).toEqual([
      ['available', null],
      ['in-use', null],
      ['refused', 'unavailable'],
    ]);
    expect(standings(new Map([['wasm', found(null)]]), 'wasm').map(({ state }) => state)).toEqual([
      'in-use',
      'unmeasured',
      'unmeasured',
    ]);
  });
});
