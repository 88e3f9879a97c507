/** Opens a gallery with the page's own code and times its searches. */
import { openGallery } from './built/gallery.js';

let gallery;

const actions = {
  async open({ url, digest }) {
    const file = await (await fetch(url)).arrayBuffer();
    const began = performance.now();
    gallery = await openGallery(file, digest);
    return { photos: gallery.photos, milliseconds: performance.now() - began };
  },
  search({ embeddings, count, warm }) {
    const milliseconds = [];
    const found = [];
    for (const [turn, numbers] of embeddings.entries()) {
      const embedding = Float32Array.from(numbers);
      const began = performance.now();
      const neighbours = gallery.search(embedding, count);
      if (turn >= warm) milliseconds.push(performance.now() - began);
      found.push(neighbours.map(({ id, score }) => [id, score]));
    }
    return { milliseconds, found };
  },
};

onmessage = async ({ data }) => {
  try {
    postMessage(await actions[data.action](data));
  } catch (error) {
    postMessage({ failed: String(error) });
  }
};
