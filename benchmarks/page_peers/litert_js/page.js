import { loadAndCompile, loadLiteRt, Tensor } from '@litertjs/core';
import { labels, mean, std, size } from './model/rules.js';
import { best, middle } from './shared/pixels.js';
import { onPhoto } from './shared/show.js';

async function load() {
  const threads = new URLSearchParams(location.search).has('threads');
  await loadLiteRt(new URL('packages/@litertjs/core/wasm/', document.baseURI).href, { threads });
  return loadAndCompile(new URL('model/model.tflite', document.baseURI).href, { accelerator: 'wasm' });
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
