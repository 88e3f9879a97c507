/**
 * What the build puts in the place of tfjs-core's `ops_for_converter` (see ../../vite.tfjs.ts): the functions that
 * tfjs-converter runs the operations of operations.ts with. The file is meant to be replaced like this.
 */
export { add } from '@tensorflow/tfjs-core/dist/ops/add';
export { avgPool } from '@tensorflow/tfjs-core/dist/ops/avg_pool';
export { cast } from '@tensorflow/tfjs-core/dist/ops/cast';
export { concat } from '@tensorflow/tfjs-core/dist/ops/concat';
export { div } from '@tensorflow/tfjs-core/dist/ops/div';
export * as fused from '@tensorflow/tfjs-core/dist/ops/fused_ops';
export { matMul } from '@tensorflow/tfjs-core/dist/ops/mat_mul';
export { maxPool } from '@tensorflow/tfjs-core/dist/ops/max_pool';
export { mean } from '@tensorflow/tfjs-core/dist/ops/mean';
export { mul } from '@tensorflow/tfjs-core/dist/ops/mul';
export { pad } from '@tensorflow/tfjs-core/dist/ops/pad';
export { relu } from '@tensorflow/tfjs-core/dist/ops/relu';
export { relu6 } from '@tensorflow/tfjs-core/dist/ops/relu6';
export { reshape } from '@tensorflow/tfjs-core/dist/ops/reshape';
export { rsqrt } from '@tensorflow/tfjs-core/dist/ops/rsqrt';
export { sigmoid } from '@tensorflow/tfjs-core/dist/ops/sigmoid';
export { slice } from '@tensorflow/tfjs-core/dist/ops/slice';
export { softmax } from '@tensorflow/tfjs-core/dist/ops/softmax';
export { square } from '@tensorflow/tfjs-core/dist/ops/square';
export { squaredDifference } from '@tensorflow/tfjs-core/dist/ops/squared_difference';
export { sub } from '@tensorflow/tfjs-core/dist/ops/sub';
export { tanh } from '@tensorflow/tfjs-core/dist/ops/tanh';
export { transpose } from '@tensorflow/tfjs-core/dist/ops/transpose';
