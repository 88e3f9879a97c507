import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { sha256 } from '../src/digest.ts';

const ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'; // FIPS 180-4's example

afterEach(() => vi.unstubAllGlobals());
beforeEach(() => vi.stubGlobal('isSecureContext', true));

test('the browser’s own SHA-256', async () => {
  expect(await sha256(Uint8Array.from(Buffer.from('abc')))).toBe(ABC);
});

test('the same without it, as on a page in a local network', async () => {
  vi.stubGlobal('isSecureContext', false);
  vi.stubGlobal('crypto', {});
  expect(await sha256(Uint8Array.from(Buffer.from('abc')))).toBe(ABC);
});
