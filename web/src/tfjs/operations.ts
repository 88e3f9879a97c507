/**
 * The operations of graphs for which the page has code from the start: those that the direct writer (training/tfjs)
 * writes, and a few more that TensorFlow's own converter puts into every graph. A graph with any other is run with the
 * whole of TensorFlow.js' WebAssembly backend (whole.ts).
 *
 * Each needs an entry in ops.ts and a kernel in ../kernels.
 */
const OPERATIONS: ReadonlySet<string> = new Set([
  'AddV2',
  'AvgPool',
  'BatchMatMulV2',
  'Cast',
  'ConcatV2',
  'Const',
  'FusedDepthwiseConv2dNative',
  'Identity',
  'MatMul',
  'MaxPool',
  'Mean',
  'Mul',
  'Pad',
  'PadV2',
  'Placeholder',
  'RealDiv',
  'Relu',
  'Relu6',
  'Reshape',
  'Rsqrt',
  'Sigmoid',
  'Slice',
  'Softmax',
  'Square',
  'SquaredDifference',
  'Sub',
  'Tanh',
  'Transpose',
  '_FusedConv2D',
  '_FusedMatMul',
]);

/** Whether the page has code for every operation of a graph from the start. */
export function knowsAll(operations: ReadonlySet<string>): boolean {
  return [...operations].every((operation) => OPERATIONS.has(operation));
}
