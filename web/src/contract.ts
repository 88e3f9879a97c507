/**
 * The model contract, read as strictly as twinlens/contract.py reads it: what is missing or unknown is an error.
 */
import { Validator, type Schema } from '@cfworker/json-schema';
import schema from '../../twinlens/contract.schema.json';
import type { Contract } from './contract.gen.ts';
import { FailureError } from './failure.ts';

/**
 * Read a contract.
 *
 * @throws FailureError `invalid_contract` naming the first field that is wrong.
 */
export function parseContract(text: string): Contract {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new FailureError({ code: 'invalid_contract', reason: 'not JSON' });
  }
  const { valid, errors } = new Validator(schema as Schema, '2020-12').validate(value);
  if (!valid) {
    const deepest = errors[errors.length - 1];
    throw new FailureError({
      code: 'invalid_contract',
      reason: `${deepest.instanceLocation.replace(/^#\/?/, '') || 'contract.json'}: ${deepest.error}`,
    });
  }
  return value as Contract;
}
