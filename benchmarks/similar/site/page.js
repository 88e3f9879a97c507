/** Has a worker search the gallery, and leaves what it found for the measurement to read. */
const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });

/** The worker's answer to one message. */
window.ask = (message) =>
  new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.failed ? reject(new Error(data.failed)) : resolve(data));
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(message);
  });
