import { env, pipeline, RawImage } from '@huggingface/transformers';
import { dtype, options } from './model/how.js';
import { onPhoto } from './shared/show.js';

env.allowRemoteModels = false;
env.allowLocalModels = true;
env.localModelPath = '/model/';
env.backends.onnx.wasm.wasmPaths = new URL('wasm/', document.baseURI).href; // by default they come from a CDN
env.backends.onnx.wasm.numThreads = Number(new URLSearchParams(location.search).get('threads') ?? 1);
const loading = pipeline('image-classification', 'classifier', {
  device: 'wasm',
  dtype,
  session_options: options,
});

onPhoto(async (file) => {
  const image = await RawImage.fromBlob(file);
  const classify = await loading;
  const [found] = await classify(image, { top_k: 1 });
  return found;
});
