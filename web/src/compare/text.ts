/**
 * What the comparison with the server says, in each of the page's languages.
 */
import { refusedIn } from '../requests/refused.ts';
import type { Refusal } from '../requests/request.ts';
import type { Language } from '../text.ts';

export interface CompareTexts {
  readonly title: string;
  readonly lead: (host: string) => string;
  readonly none: string;
  readonly photo: string;
  readonly original: string;
  readonly prepare: string;
  readonly preparing: string;
  readonly consentShrunk: (name: string, size: string, address: string) => string;
  readonly consentOriginal: (name: string, size: string, address: string) => string;
  readonly keeps: string;
  readonly cannotShrink: string;
  readonly remember: string;
  readonly send: string;
  readonly cancel: string;
  readonly sending: string;
  readonly table: string;
  readonly label: string;
  readonly here: string;
  readonly there: string;
  readonly difference: string;
  readonly time: string;
  readonly milliseconds: (milliseconds: string) => string;
  readonly onTheWay: string;
  readonly agreed: string;
  readonly disagreed: string;
  readonly largest: (label: string, difference: string) => string;
  readonly otherModel: (here: string, there: string) => string;
  readonly refused: (refusal: Refusal) => string;
}

const en: CompareTexts = {
  title: 'Compare with the server',
  lead: (host) =>
    `${host} runs the same model. To see whether it gives the same answer, one photo has to be sent there; nothing is sent before you agree.`,
  none: 'Add a photo first; then it can be chosen here.',
  photo: 'Photo',
  original: 'Send the original file',
  prepare: 'Compare this photo …',
  preparing: 'Making the photo small …',
  consentShrunk: (name, size, address) =>
    `“${name}”, shrunk to what the model looks at (${size}), without its other data, will be sent to ${address}`,
  consentOriginal: (name, size, address) =>
    `The file “${name}” as it is (${size}), with all that is in it, such as place and time, will be sent to ${address}`,
  keeps: 'What is done with it there is up to whoever runs the server.',
  cannotShrink: 'This photo cannot be made small here. You can send the original.',
  remember: 'Do not ask again until this page is closed',
  send: 'Send',
  cancel: 'Do not send',
  sending: 'Waiting for the server …',
  table: 'Both answers',
  label: 'Label',
  here: 'This device',
  there: 'Server',
  difference: 'Difference',
  time: 'Time',
  milliseconds: (milliseconds) => `${milliseconds} ms`,
  onTheWay: 'The server’s time is that of the whole way: there, its work, and back.',
  agreed: 'Both say the same.',
  disagreed: 'They do not say the same.',
  largest: (label, difference) => `The scores of “${label}” differ most: by ${difference} points.`,
  otherModel: (here, there) =>
    `The server runs another version of the model (${there}; this page: ${here}). Reload the page to compare the same one.`,
  refused: refusedIn('en', {
    codes: {
      overloaded: (seconds) => `The server has too much to do just now. Try again in ${seconds} s.`,
      not_ready: (seconds) => `The server is starting or ending. Try again in ${seconds} s.`,
      body_too_large: 'The file is larger than the server accepts. Send it shrunk.',
      too_many_pixels: 'The picture has more pixels than the server accepts. Send it shrunk.',
      upload_timeout: 'It took the server too long. Try again, or send the photo shrunk.',
      timeout: 'It took the server too long. Try again, or send the photo shrunk.',
    },
    tooLargeOnTheWay: 'The file is larger than the way to the server allows. Send it shrunk.',
  }),
};

const zh: CompareTexts = {
  title: '与服务器比较',
  lead: (host) => `${host} 运行同一个模型。要看它的答案是否相同，需要发送一张照片；在您同意之前不会发送任何内容。`,
  none: '请先添加照片，然后可在这里选择。',
  photo: '照片',
  original: '发送原始文件',
  prepare: '比较这张照片……',
  preparing: '正在缩小照片……',
  consentShrunk: (name, size, address) => `“${name}”将缩小到模型所看的大小（${size}），不含其他数据，发送到 ${address}`,
  consentOriginal: (name, size, address) =>
    `文件“${name}”将原样（${size}）发送到 ${address}，包括其中的全部信息，例如拍摄地点和时间`,
  keeps: '对方如何处理它，由服务器的运营者决定。',
  cannotShrink: '无法在这里缩小这张照片。您可以发送原始文件。',
  remember: '关闭此页面之前不再询问',
  send: '发送',
  cancel: '不发送',
  sending: '正在等待服务器……',
  table: '两个答案',
  label: '标签',
  here: '这台设备',
  there: '服务器',
  difference: '差值',
  time: '用时',
  milliseconds: (milliseconds) => `${milliseconds} 毫秒`,
  onTheWay: '服务器的用时包括全程：发送、处理和返回。',
  agreed: '两者答案相同。',
  disagreed: '两者答案不同。',
  largest: (label, difference) => `得分差别最大的是“${label}”：相差 ${difference} 个百分点。`,
  otherModel: (here, there) =>
    `服务器运行的是另一个模型版本（${there}；本页面：${here}）。重新加载页面即可比较同一版本。`,
  refused: refusedIn('zh', {
    codes: {
      overloaded: (seconds) => `服务器正忙。请在 ${seconds} 秒后重试。`,
      not_ready: (seconds) => `服务器正在启动或关闭。请在 ${seconds} 秒后重试。`,
      body_too_large: '文件超过服务器允许的大小。请发送缩小后的照片。',
      too_many_pixels: '图片的像素数超过服务器允许的上限。请发送缩小后的照片。',
      upload_timeout: '服务器用时过长。请重试，或发送缩小后的照片。',
      timeout: '服务器用时过长。请重试，或发送缩小后的照片。',
    },
    tooLargeOnTheWay: '文件超过通往服务器的途中允许的大小。请发送缩小后的照片。',
  }),
};

export const COMPARE_TEXTS: Readonly<Record<Language, CompareTexts>> = { en, zh };
