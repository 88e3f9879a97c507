import * as ort from 'onnxruntime-web/wasm';
import { labels, mean, options, size, std } from './model/rules.js';
import { best, middle } from './shared/pixels.js';
import { onPhoto } from './shared/show.js';

ort.env.wasm.numThreads = Number(new URLSearchParams(location.search).get('threads') ?? 1);
const loading = ort.InferenceSession.create('./model/model.onnx', { executionProviders: ['wasm'], ...options });

onPhoto(async (file) => {
  const pixels = await middle(file, size);
  const count = size * size;
  const planes = new Float32Array(3 * count);
  for (let at = 0; at < count; at++) {
    for (let channel = 0; channel < 3; channel++) {
      planes[channel * count + at] = (pixels[4 * at + channel] / 255 - mean[channel]) / std[channel];
    }
  }
  const session = await loading;
  const { logits } = await session.run({ pixel_values: new ort.Tensor('float32', planes, [1, 3, size, size]) });
  return best(logits.data, labels);
});
