/**
 * What the build puts in the place of those parts of TensorFlow.js that none of the operations in operations.ts leads to
 * (see ../../vite.tfjs.ts).
 */

/** For an op_list of tfjs-converter: no operations. */
export const json: readonly never[] = [];

/** For an executor of tfjs-converter. */
export function executeOp(node: { readonly op: string }): never {
  throw new TypeError(`The page has no code for the operation ${node.op}`);
}

export default executeOp;
