import { expect, test } from 'vitest';
import { FailureError } from '../src/failure.ts';
import { sniff } from '../src/sniff.ts';
import golden from './golden/sniff.json';

test.each(golden)('says of $head what the server says', ({ head, ...expected }) => {
  const bytes = Uint8Array.from(Buffer.from(head, 'hex'));
  let found: object;
  try {
    found = { format: sniff(bytes, bytes.length) };
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
    found = error.failure;
  }
  expect(found).toMatchObject(expected);
});

test('looks at the first 512 bytes only', () => {
  const bytes = new Uint8Array(1000).fill(0x20);
  bytes.set(Buffer.from('<svg'), 600);
  expect(() => sniff(bytes, bytes.length)).toThrow('not_an_image');
});
