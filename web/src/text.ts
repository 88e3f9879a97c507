/**
 * Everything that the page says, in each of its languages.
 */
import type { Failure } from './failure.ts';

export type Language = 'en' | 'zh';

/** Words that stand in index.html, by the `data-text` of their element. */
type StaticText =
  'title' | 'lead' | 'choose' | 'camera' | 'drop' | 'clear' | 'results' | 'promise' | 'shoot' | 'cancel' | 'language';

export interface Texts {
  readonly static: Readonly<Record<StaticText, string>>;
  readonly starting: string;
  readonly loading: (loaded: string, total: string) => string;
  readonly ready: string;
  readonly working: (done: number, total: number) => string;
  readonly finished: (total: number, failed: number) => string;
  readonly cannotStart: string;
  readonly waiting: string;
  readonly reading: string;
  readonly perturbedSlightly: string;
  readonly cameraRefused: string;
  readonly failures: { readonly [Code in Failure['code']]: (failure: Extract<Failure, { code: Code }>) => string };
}

const en: Texts = {
  static: {
    title: 'What is in the photo?',
    lead: 'The answer is worked out on this device, by a model that runs in this page.',
    choose: 'Choose photos',
    camera: 'Take a photo',
    drop: 'or drop them anywhere on the page',
    clear: 'Clear',
    results: 'Results',
    promise: 'Your photos stay here: after loading, this page is tested to send nothing.',
    shoot: 'Take it',
    cancel: 'Cancel',
    language: 'Language',
  },
  starting: 'Starting …',
  loading: (loaded, total) => `Loading the model: ${loaded} of ${total}`,
  ready: 'Ready',
  working: (done, total) => `${done} of ${total} photos done`,
  finished: (total, failed) =>
    (total === 1 ? '1 photo done' : `${total} photos done`) + (failed > 0 ? `, ${failed} without an answer` : ''),
  cannotStart: 'The page cannot answer.',
  waiting: 'Waiting',
  reading: 'Looking …',
  perturbedSlightly:
    'This browser slightly changes the pixels that pages read, to make tracking harder. Scores may differ a little from the server’s.',
  cameraRefused: 'The camera could not be opened. Allow it for this page, or choose a photo.',
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

const zh: Texts = {
  static: {
    title: '照片里是什么？',
    lead: '答案由在本页面中运行的模型给出，全部在这台设备上完成。',
    choose: '选择照片',
    camera: '拍一张',
    drop: '或把照片拖到页面任意位置',
    clear: '清空',
    results: '结果',
    promise: '照片不会离开这里：经测试，页面载入后不发送任何数据。',
    shoot: '拍照',
    cancel: '取消',
    language: '语言',
  },
  starting: '正在启动……',
  loading: (loaded, total) => `正在加载模型：${loaded} / ${total}`,
  ready: '已就绪',
  working: (done, total) => `已完成 ${done} / ${total} 张照片`,
  finished: (total, failed) => `已完成 ${total} 张照片` + (failed > 0 ? `，其中 ${failed} 张没有结果` : ''),
  cannotStart: '页面无法给出答案。',
  waiting: '等待中',
  reading: '识别中……',
  perturbedSlightly: '为防止跟踪，此浏览器会略微改动网页读取的像素。得分可能与服务器略有差别。',
  cameraRefused: '无法打开摄像头。请允许本页面使用摄像头，或选择一张照片。',
  failures: {
    not_an_image: ({ bytes }) => (bytes === 0 ? '文件是空的。' : '这个文件不是图片。请选择 JPEG 或 PNG 等格式的照片。'),
    unsupported_format: ({ name }) => `这里不支持 ${name} 文件。请将图片另存为 JPEG 或 PNG。`,
    server_only_format: ({ format }) =>
      `只有服务器能读取 ${format.toUpperCase()}。要在本页面使用，请将图片另存为 JPEG 或 PNG。`,
    broken_image: ({ format }) =>
      `这个 ${format.toUpperCase()} 文件已损坏：可能不完整或被改动。请用看图软件打开后重新保存。`,
    too_many_pixels: ({ width, height, allowed }) =>
      `图片太大：${width} × ${height}。最多支持 ${allowed / 1e4} 万像素，请另存为较小的图片。`,
    unreadable_file: () => '无法读取这个文件。它可能已被移动或删除，请重新选择。',
    perturbed_pixels: () =>
      '此浏览器会改动网页读取的像素（防指纹保护），得出的答案会出错。请允许本页面读取画布数据，然后重新加载。',
    model_not_found: ({ path }) => `无法加载模型（${path}）。请检查网络后重新加载页面。`,
    invalid_contract: ({ reason }) => `模型的描述文件无法使用（${reason}）。请重新导出模型。`,
    invalid_model: ({ path }) =>
      `模型文件与发布时的不一致（${path}）：可能在传输中被改动或截断。请重新加载页面；若仍如此，请重新发布模型。`,
    no_decompression: () =>
      '此浏览器无法解压模型（缺少 2023 年起各浏览器都有的 DecompressionStream）。请使用较新的浏览器。',
    no_backend: () => '此浏览器无法运行模型所需的 WebAssembly。请使用较新的浏览器，或允许 WebAssembly。',
    internal: ({ reason }) => `页面出错（${reason}）。请重新加载后再试。`,
  },
};

export const TEXTS: Readonly<Record<Language, Texts>> = { en, zh };

/** The failure in words. */
export function failureText(failure: Failure, language: Language): string {
  const word = TEXTS[language].failures[failure.code] as (failure: Failure) => string;
  return word(failure);
}

/** A score as people read it. */
export function percentText(score: number, language: Language): string {
  const format = new Intl.NumberFormat(language, {
    style: 'percent',
    minimumFractionDigits: 1,
    maximumFractionDigits: 1,
  });
  return score > 0 && score < 0.001 ? `<${format.format(0.001)}` : format.format(score);
}

/** Bytes as megabytes. */
export function megabytesText(bytes: number, language: Language): string {
  const format = new Intl.NumberFormat(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  return `${format.format(bytes / 1e6)} MB`;
}

/** The language to start in: `?lang=` where it names one, else the first of the browser's that the page speaks. */
export function chooseLanguage(query: string, preferred: readonly string[]): Language {
  for (const wanted of [new URLSearchParams(query).get('lang') ?? '', ...preferred]) {
    const base = wanted.toLowerCase().split('-')[0];
    if (base === 'en' || base === 'zh') return base;
  }
  return 'en';
}
