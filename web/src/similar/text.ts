/**
 * What the search for photos that look alike says, in each of the page's languages.
 */
import type { Language } from '../text.ts';
import type { GalleryProblem } from './gallery.ts';

export interface SimilarTexts {
  readonly title: string;
  readonly lead: (photos: string) => string;
  readonly recall: (share: string) => string;
  readonly none: string;
  readonly photo: string;
  readonly searching: string;
  readonly found: (count: number, name: string) => string;
  readonly table: string;
  readonly place: string;
  readonly label: string;
  readonly unknown: string;
  readonly likeness: string;
  readonly failed: string;
  readonly problems: Readonly<Record<GalleryProblem, string>>;
}

const en: SimilarTexts = {
  title: 'Photos that look alike',
  lead: (photos) =>
    `Whoever published this page has put a gallery of ${photos} photos beside the model: not the photos, but their names and what the model makes of them. It is searched on this device; nothing is sent.`,
  recall: (share) => `To be small it is a little coarse: it finds ${share} of the ten nearest.`,
  none: 'Add a photo first; then it can be chosen here.',
  photo: 'Photo',
  searching: 'Searching …',
  found: (count, name) => (count === 1 ? `The photo most like “${name}”` : `The ${count} photos most like “${name}”`),
  table: 'Photos that look alike',
  place: 'Photo of the gallery',
  label: 'Label',
  unknown: 'not known',
  likeness: 'Likeness',
  failed: 'The gallery could not be searched. Reload the page and try again.',
  problems: {
    not_found: 'The gallery of this page could not be loaded. Check the network and reload the page.',
    invalid_index: 'The gallery of this page is damaged. Whoever published it can write it again.',
    index_mismatch: 'The gallery of this page was made with another model. Whoever published it can write it again.',
  },
};

const zh: SimilarTexts = {
  title: '相似的照片',
  lead: (photos) =>
    `本页面的发布者在模型旁放了一个图库，含 ${photos} 张照片：不是照片本身，而是它们的名称和模型对它们的理解。搜索在这台设备上进行，不发送任何内容。`,
  recall: (share) => `为了小巧，它略为粗略：能找到最接近的十张中的 ${share}。`,
  none: '请先添加照片，然后可在这里选择。',
  photo: '照片',
  searching: '正在搜索……',
  found: (count, name) => `与“${name}”最相似的 ${count} 张照片`,
  table: '相似的照片',
  place: '图库中的照片',
  label: '标签',
  unknown: '未知',
  likeness: '相似度',
  failed: '无法搜索图库。请重新加载页面后再试。',
  problems: {
    not_found: '无法载入本页面的图库。请检查网络并重新加载页面。',
    invalid_index: '本页面的图库已损坏。发布者可以重新生成。',
    index_mismatch: '本页面的图库是用另一个模型制作的。发布者可以重新生成。',
  },
};

export const SIMILAR_TEXTS: Readonly<Record<Language, SimilarTexts>> = { en, zh };
