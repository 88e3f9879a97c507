import { loadAndCompile, loadLiteRt, Tensor } from '@litertjs/core';
import { labels, mean, size, std } from './model/rules.js';
import { best, middle } from './shared/pixels.js';
import { onPhoto } from './shared/show.js';

async function load() {
  const numThreads = Number(new URLSearchParams(location.search).get('threads') ?? 1);
  const runtime = new URL('packages/@litertjs/core/wasm/', document.baseURI).href;
  await loadLiteRt(runtime, { threads: numThreads > 1 });
  const model = new URL('model/model.tflite', document.baseURI).href;
  return loadAndCompile(model, { accelerator: 'wasm', cpuOptions: { numThreads } });
}

const loading = load();

onPhoto(async (file) => {
  const pixels = await middle(file, size);
  const values = new Float32Array(3 * size * size);
  for (let at = 0, from = 0; at < values.length; from += 4) {
    for (let channel = 0; channel < 3; channel++, at++) {
      values[at] = (pixels[from + channel] / 255 - mean[channel]) / std[channel];
    }
  }
  const model = await loading;
  const input = new Tensor(values, [1, size, size, 3]);
  const [output] = await model.run(input);
  input.delete();
  const found = best(output.toTypedArray(), labels);
  output.delete();
  return found;
});
