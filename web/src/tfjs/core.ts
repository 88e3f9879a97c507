/**
 * What the build puts in the place of `@tensorflow/tfjs-core` (see ../../vite.tfjs.ts): the same names, without what a page
 * that runs a graph has no use for, which the package's own index.ts brings along: optimizers, gradients, and the places
 * where models can be stored.
 */
import '@tensorflow/tfjs-core/dist/engine';
import { env } from '@tensorflow/tfjs-core/dist/environment';
import '@tensorflow/tfjs-core/dist/flags';
import { buffer } from '@tensorflow/tfjs-core/dist/ops/buffer';
import { cast } from '@tensorflow/tfjs-core/dist/ops/cast';
import { clone } from '@tensorflow/tfjs-core/dist/ops/clone';
import { print } from '@tensorflow/tfjs-core/dist/ops/print';
import { isTypedArrayBrowser } from '@tensorflow/tfjs-core/dist/platforms/is_typed_array_browser';
import { setOpHandler } from '@tensorflow/tfjs-core/dist/tensor';

export * from '@tensorflow/tfjs-core/dist/base';
export * as io from './io.ts';

// As in base_side_effects.ts.
setOpHandler({ buffer, cast, clone, print });
// As in platforms/platform_browser.ts, for a worker.
env().setPlatform('browser', {
  fetch: (path, init) => fetch(path, init),
  now: () => performance.now(),
  encode: (text) => new TextEncoder().encode(text),
  decode: (bytes, encoding) => new TextDecoder(encoding).decode(bytes),
  isTypedArray: isTypedArrayBrowser,
});
