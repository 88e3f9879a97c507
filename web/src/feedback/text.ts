/**
 * What the page says of feedback, in each of its languages.
 */
import { refusedIn } from '../requests/refused.ts';
import type { Refusal } from '../requests/request.ts';
import type { Language } from '../text.ts';

export interface FeedbackTexts {
  readonly title: string;
  readonly lead: (host: string) => string;
  /** What the controls of one photo are called together. */
  readonly group: (photo: string) => string;
  readonly right: string;
  readonly wrong: string;
  readonly label: (photo: string) => string;
  readonly none: string;
  readonly next: string;
  readonly back: string;
  readonly consent: (address: string) => string;
  readonly file: (photo: string, size: string) => string;
  readonly said: (label: string) => string;
  readonly model: (name: string, version: string) => string;
  readonly keeps: string;
  readonly remember: string;
  readonly send: string;
  readonly cancel: string;
  readonly sending: string;
  readonly kept: (label: string, id: string) => string;
  readonly again: string;
  readonly refused: (refusal: Refusal) => string;
}

const en: FeedbackTexts = {
  title: 'Say whether an answer is right',
  lead: (host) =>
    `Under each answer you can say whether it is right, or what it should be. The photo is then sent to ${host}, where a person looks at it, and the model may learn from it. Nothing is sent before you agree.`,
  group: (photo) => `Is the answer right? ${photo}`,
  right: 'Right',
  wrong: 'Wrong, it is …',
  label: (photo) => `What is right for ${photo}`,
  none: 'none of these',
  next: 'Go on',
  back: 'Back',
  consent: (address) => `This will be sent to ${address}`,
  file: (photo, size) =>
    `the photo “${photo}” as it is (${size}), with all that is in it, such as place and time, but without its name`,
  said: (label) => `what you say of it: ${label}`,
  model: (name, version) => `which model answered: ${name} ${version}`,
  keeps:
    'The server keeps the picture alone, without place and time, and what you say. A person may look at it, and the model may learn from it.',
  remember: 'Do not ask again until this page is closed',
  send: 'Send',
  cancel: 'Do not send',
  sending: 'Waiting for the server …',
  kept: (label, id) =>
    `Thank you. You said: ${label}. To have it removed, give this number to whoever runs the server: ${id}`,
  again: 'Say something else',
  refused: refusedIn('en', {
    codes: {
      feedback_rate: (seconds) => `That was a lot in a short time. Try again in ${seconds} s.`,
      feedback_quota: 'The server takes no more from you today. Thank you; try again tomorrow.',
      feedback_full: 'The server keeps no more photos at the moment. Try again another day.',
      feedback_unavailable: (seconds) => `The server cannot keep it just now. Try again in ${seconds} s.`,
      overloaded: (seconds) => `The server cannot keep it just now. Try again in ${seconds} s.`,
      not_ready: (seconds) => `The server cannot keep it just now. Try again in ${seconds} s.`,
      unknown_label: 'The server’s model has no such label. Load the page again.',
      body_too_large: 'The photo is larger than the server accepts.',
      too_many_pixels: 'The photo is larger than the server accepts.',
      upload_timeout: 'It took the server too long. Try again later.',
      timeout: 'It took the server too long. Try again later.',
    },
    tooLargeOnTheWay: 'The photo is larger than the way to the server allows.',
  }),
};

const zh: FeedbackTexts = {
  title: '反馈答案是否正确',
  lead: (host) =>
    `在每个答案下面，您可以说明它是否正确，或者应该是什么。照片随后会发送到 ${host}，由人查看，模型也可能从中学习。在您同意之前不会发送任何内容。`,
  group: (photo) => `答案正确吗？${photo}`,
  right: '正确',
  wrong: '不对，应该是……',
  label: (photo) => `${photo} 的正确标签`,
  none: '以上都不是',
  next: '继续',
  back: '返回',
  consent: (address) => `以下内容将发送到 ${address}`,
  file: (photo, size) => `照片“${photo}”原样（${size}），包括其中的全部信息，例如拍摄地点和时间，但不含文件名`,
  said: (label) => `您的说法：${label}`,
  model: (name, version) => `给出答案的模型：${name} ${version}`,
  keeps: '服务器只保留图像本身（不含地点和时间）以及您的说法。可能会有人查看，模型也可能从中学习。',
  remember: '关闭此页面之前不再询问',
  send: '发送',
  cancel: '不发送',
  sending: '正在等待服务器……',
  kept: (label, id) => `谢谢。您的说法：${label}。如需删除，请把这个编号告诉服务器的运营者：${id}`,
  again: '更改说法',
  refused: refusedIn('zh', {
    codes: {
      feedback_rate: (seconds) => `短时间内反馈过多。请在 ${seconds} 秒后重试。`,
      feedback_quota: '服务器今天不再接收您的反馈。谢谢，请明天再试。',
      feedback_full: '服务器目前不再保存照片。请改天再试。',
      feedback_unavailable: (seconds) => `服务器暂时无法保存。请在 ${seconds} 秒后重试。`,
      overloaded: (seconds) => `服务器暂时无法保存。请在 ${seconds} 秒后重试。`,
      not_ready: (seconds) => `服务器暂时无法保存。请在 ${seconds} 秒后重试。`,
      unknown_label: '服务器的模型没有这个标签。请重新加载页面。',
      body_too_large: '照片超过服务器允许的大小。',
      too_many_pixels: '照片超过服务器允许的大小。',
      upload_timeout: '服务器用时过长。请稍后重试。',
      timeout: '服务器用时过长。请稍后重试。',
    },
    tooLargeOnTheWay: '照片超过通往服务器的途中允许的大小。',
  }),
};

export const FEEDBACK_TEXTS: Readonly<Record<Language, FeedbackTexts>> = { en, zh };
