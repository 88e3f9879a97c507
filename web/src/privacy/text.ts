/**
 * What the privacy panel says, in each of the page's languages.
 */
import type { Language } from '../text.ts';
import type { Seen } from './requests.ts';

export interface PrivacyTexts {
  readonly title: string;
  readonly promise: string;
  readonly count: (requests: number) => string;
  readonly list: string;
  readonly by: Readonly<Record<Seen['by'], string>>;
  readonly refused: string;
  readonly invitation: string;
  readonly online: string;
  readonly offline: string;
  readonly sealed: string;
  readonly server: (host: string, feedback: boolean) => string;
  readonly sealedWorker: string;
  readonly unlisted: string;
  readonly keeping: string;
  readonly kept: (files: number, size: string) => string;
  readonly notKept: Readonly<Record<'insecure' | 'unsupported' | 'blocked' | 'missing', string>>;
  readonly forget: string;
  readonly forgotten: string;
}

const en: PrivacyTexts = {
  title: 'Private: see for yourself',
  promise: 'Your photos are looked at on this device. After loading, this page is tested to send nothing.',
  count: (requests) =>
    requests === 0
      ? 'No request since this page was loaded.'
      : requests === 1
        ? '1 request since this page was loaded:'
        : `${requests} requests since this page was loaded:`,
  list: 'Requests since loading',
  by: { page: 'the page', worker: 'its worker', 'service-worker': 'the service worker' },
  refused: 'refused',
  invitation:
    'Try it: switch the network off (flight mode, or pull the plug), then add a photo. The answer comes all the same.',
  online: 'The network is there.',
  offline: 'You are offline, and the page goes on answering.',
  sealed: 'Since it was loaded, the page’s own policy forbids it to connect to any address, its own host included.',
  server: (host, feedback) =>
    `The page’s policy lets it connect to ${host} and nowhere else. It does so only when you ask it to compare${
      feedback ? ', or say whether an answer is right' : ''
    }.`,
  sealedWorker:
    'The worker that looks at your photos has the policy that it was started with: its own host, and no other.',
  unlisted:
    'Not in this list: once a visit the browser itself asks whether sw.js, which keeps the page for you, has changed. It sends nothing of yours.',
  keeping: 'Seeing what is kept on this device …',
  kept: (files, size) => `Works without a network: page and model are kept on this device (${files} files, ${size}).`,
  notKept: {
    insecure: 'Not kept for use without a network: browsers do that for https: addresses only.',
    unsupported: 'Not kept for use without a network: this browser has no service worker.',
    blocked: 'Not kept for use without a network: this browser does not allow it here (as in some private windows).',
    missing: 'Not kept for use without a network yet: it will be after the next visit.',
  },
  forget: 'Remove it from this device',
  forgotten: 'Removed. The next visit loads everything anew.',
};

const zh: PrivacyTexts = {
  title: '隐私：亲自验证',
  promise: '照片只在这台设备上识别。经测试，页面载入后不发送任何数据。',
  count: (requests) => (requests === 0 ? '页面载入后没有任何请求。' : `页面载入后有 ${requests} 个请求：`),
  list: '载入后的请求',
  by: { page: '页面', worker: '页面的工作线程', 'service-worker': '服务工作线程' },
  refused: '已拒绝',
  invitation: '试一试：断开网络（飞行模式或拔掉网线），再添加一张照片，照样会有答案。',
  online: '网络已连接。',
  offline: '您已离线，页面仍在照常回答。',
  sealed: '载入完成后，页面自己的安全策略禁止它连接任何地址，包括它所在的主机。',
  server: (host, feedback) =>
    `页面的安全策略只允许它连接 ${host}，而且只在您要求比较${feedback ? '或反馈答案是否正确' : ''}时才会连接。`,
  sealedWorker: '识别照片的工作线程沿用它启动时的策略：只能连接所在的主机，不能连接其他地址。',
  unlisted:
    '不在此列表中：每次访问时，浏览器自己会询问一次 sw.js（为您保存页面的脚本）是否有变化，其中不含您的任何数据。',
  keeping: '正在检查这台设备上保存的内容……',
  kept: (files, size) => `没有网络也能使用：页面和模型已保存在这台设备上（${files} 个文件，${size}）。`,
  notKept: {
    insecure: '尚未保存供离线使用：浏览器只对 https: 地址提供此功能。',
    unsupported: '尚未保存供离线使用：此浏览器没有服务工作线程。',
    blocked: '尚未保存供离线使用：此浏览器在这里不允许（例如某些隐私窗口）。',
    missing: '尚未保存供离线使用：下次访问后即可。',
  },
  forget: '从这台设备上删除',
  forgotten: '已删除。下次访问会重新加载全部内容。',
};

export const PRIVACY_TEXTS: Readonly<Record<Language, PrivacyTexts>> = { en, zh };
