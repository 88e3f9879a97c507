/** Of TensorFlow.js' `io`, what tfjs-converter names and what reads a graph model that has been fetched already. */
export { decodeWeights, getModelArtifactsForJSONSync, getWeightSpecs } from '@tensorflow/tfjs-core/dist/io/io_utils';
export { fromMemorySync } from '@tensorflow/tfjs-core/dist/io/passthrough';
