/**
 * The page in English.
 */
import type { Texts } from './texts.ts';

const photos = (count: number) => (count === 1 ? '1 photo' : `${count} photos`);

export const en: Texts = {
  static: {
    title: 'What is in the photo?',
    lead: 'The answer is worked out on this device, by a model that runs in this page.',
    choose: 'Choose photos',
    camera: 'Camera',
    folder: 'Folder',
    drop: 'or drop or paste them anywhere on the page',
    samples: 'No photo at hand? Try a drawing.',
    stop: 'Stop',
    clear: 'Clear',
    results: 'Results',
    tools: 'View and export',
    filter: 'Show',
    order: 'Order',
    shown: 'Labels',
    map: 'Heat map',
    mapScale: 'Speaks for the label',
    mapLow: 'little',
    mapHigh: 'much',
    noMap: 'No heat map: the last layers of this model do not allow one.',
    csv: 'Save CSV',
    json: 'Save JSON',
    share: 'Share',
    promise: 'Your photos stay here: after loading, this page is tested to send nothing.',
    language: 'Language',
    settings: 'Settings',
    runsOn: 'What runs the model',
    runsOnWhy: 'The page measures this device and takes the fastest. The answers are the same.',
    close: 'Close',
    cameraPicture: 'Picture of the camera',
    shoot: 'Take it',
    live: 'Live answer',
  },
  starting: 'Starting …',
  loading: (loaded, total) => `Loading the model: ${loaded} of ${total}`,
  ready: 'Ready',
  working: (done, total) => `${done} of ${total} photos done`,
  finished: (total, failed) => `${photos(total)} done` + (failed > 0 ? `, ${failed} without an answer` : ''),
  stoppedAt: (done, total) => `Stopped: ${done} of ${total} photos done`,
  goOn: 'Go on',
  cannotStart: 'The page cannot answer.',
  waiting: 'Waiting',
  reading: 'Looking …',
  stopped: 'Stopped before its turn',
  notSure: 'Not sure. Closest:',
  perhaps: (answer) => `not sure (closest: ${answer})`,
  gathering: (count) => `Looking through the folder: ${photos(count)} so far`,
  leftOut: (count) =>
    count === 1
      ? '1 file was left out: no picture, or not readable.'
      : `${count} files were left out: no pictures, or not readable.`,
  emptyFolder: 'There are no pictures in this folder that can be read.',
  pasted: 'Pasted',
  sample: (label) => `Drawing: ${label}`,
  filters: {
    all: 'All',
    notSure: 'Not sure',
    failed: 'No answer',
    counted: (group, count) => `${group} (${count})`,
    passing: (shown, total) => `${shown} of ${photos(total)} shown`,
  },
  orders: { given: 'As given', surest: 'Surest first', doubtful: 'Least sure first', label: 'By label' },
  labelCount: (count) => (count === 1 ? 'Best one' : `Best ${count}`),
  allLabels: 'All',
  mapOf: (label, photo) => `Heat map of ${photo}: where it looks like ${label}`,
  showMapOf: (label) => `Show where it looks like ${label}`,
  copy: 'Copy',
  copied: 'Copied',
  notCopied: 'The browser does not let this page copy. Save a file instead.',
  notShared: 'The browser does not let this page share. Save a file instead.',
  copyOf: (photo) => `Copy the answer for ${photo}`,
  perturbedSlightly:
    'This browser slightly changes the pixels that pages read, to make tracking harder. Scores may differ a little from the server’s.',
  cameraRefused: 'The camera could not be opened. Allow it for this page, or choose a photo.',
  cameraMissing: 'This device has no camera that the browser can find. Connect one, or choose a photo.',
  cameraBusy: 'The camera does not start. Another program may be using it: close that, or choose a photo.',
  pause: 'Pause',
  resume: 'Resume',
  paused: 'Paused',
  rate: (perSecond) => `${perSecond} pictures a second`,
  backends: {
    wasm: 'WebAssembly, on the processor',
    webgl: 'WebGL, on the graphics card',
    webgpu: 'WebGPU, on the graphics card',
  },
  states: { 'in-use': 'in use', available: '', refused: 'not used', unmeasured: 'not measured yet' },
  refusals: {
    unavailable: 'this browser or device has none',
    inexact: 'its answers are not exact enough',
    failed: 'it failed',
    'too-slow': 'it takes too long',
    'unknown-operation': 'it cannot run this model',
  },
  measured: (milliseconds) => `${milliseconds} ms a picture`,
  threads: (count) => `${count} threads`,
  changing: 'Changing …',
  failures: {
    not_an_image: ({ bytes }) =>
      bytes === 0 ? 'This file is empty.' : 'This file is not an image. Choose a photo, such as a JPEG or a PNG.',
    unsupported_format: ({ name }) => `${name} files are not read here. Save the picture as JPEG or PNG.`,
    server_only_format: ({ format }) =>
      `${format.toUpperCase()} is read by the server only. Save the picture as JPEG or PNG to use it on this page.`,
    broken_image: ({ format }) =>
      `This ${format.toUpperCase()} file is broken: it may be cut off or damaged. Open it in an image viewer and save it again.`,
    too_many_pixels: ({ width, height, allowed }) =>
      `This picture is too large: ${width} × ${height}. At most ${allowed / 1e6} megapixels are read; save a smaller one.`,
    unreadable_file: () => 'This file could not be read. It may have been moved or deleted; choose it again.',
    perturbed_pixels: () =>
      'This browser changes the pixels that pages read (protection against fingerprinting), so an answer would be wrong. Allow this page to read canvas data, then reload it.',
    model_not_found: ({ path }) => `The model could not be loaded (${path}). Check the connection and reload the page.`,
    invalid_contract: ({ reason }) => `The model’s description cannot be used (${reason}). Export the model again.`,
    invalid_model: ({ path }) =>
      `A file of the model is not the one that was published (${path}): it was changed or cut off on its way. Reload the page; if it stays so, publish the model again.`,
    no_decompression: () =>
      'This browser cannot unpack the model (it has no DecompressionStream, as browsers since 2023 do). Use a newer browser.',
    no_backend: () =>
      'This browser cannot run WebAssembly, which the model needs. Use a newer browser, or allow WebAssembly.',
    internal: ({ reason }) => `Something went wrong in the page (${reason}). Reload it and try again.`,
  },
};
