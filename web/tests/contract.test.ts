import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseContract } from '../src/contract.ts';
import type { Contract } from '../src/contract.gen.ts';
import { FailureError } from '../src/failure.ts';

const shipped = new URL('../../bentos/clothing/', import.meta.url);
const version = readFileSync(new URL('current', shipped), 'utf8').trim();
const text = readFileSync(new URL(`${version}/contract.json`, shipped), 'utf8');

function refusal(change: (contract: Record<string, unknown>) => void): string {
  const contract = JSON.parse(text) as Record<string, unknown>;
  change(contract);
  try {
    parseContract(JSON.stringify(contract));
  } catch (error) {
    if (error instanceof FailureError && error.failure.code === 'invalid_contract') return error.failure.reason;
  }
  throw new Error('not refused as invalid_contract');
}

test('reads the contract of the model that ships', () => {
  const contract: Contract = parseContract(text);
  expect(contract.model.version).toBe(version);
});

test('a field that is missing is an error that names it', () => {
  expect(refusal((contract) => delete contract.temperature)).toContain('temperature');
});

test('a field that is not known is an error that names it', () => {
  expect(refusal((contract) => (contract.temprature = 1))).toContain('temprature');
});

test('a value that is out of range is an error that says where', () => {
  expect(refusal((contract) => (contract.temperature = 0))).toMatch(/^temperature: /);
  expect(refusal((contract) => (contract.schema_version = 1))).toMatch(/^schema_version: /);
});

test('weights may be integers, or floating point, and nothing between', () => {
  const integers = { shape: [4, 1, 3, 3], encoding: 'integer', bits: 6, axes: [0], scales: 'w.scales' };
  const tfjs = [{ name: 'w', axes: [2], scales: 'w.scales' }];
  const weights = (weight: object) => (contract: Record<string, unknown>) => (contract.weights = { w: weight });
  const contract = JSON.parse(text) as Record<string, unknown>;
  weights({ ...integers, tfjs })(contract);
  expect(parseContract(JSON.stringify(contract)).weights.w).toEqual({ ...integers, tfjs });
  expect(refusal(weights(integers))).toContain('weights/w');
  expect(refusal(weights({ ...integers, tfjs, encoding: 'float16' }))).toContain('weights/w');
});

test('what is not JSON is an error', () => {
  expect(() => parseContract('<!doctype html>')).toThrow('invalid_contract');
});
