/**
 * Sample pictures for visitors without a photo at hand. They go the way of any photo: the page draws one into a PNG file.
 */
import { byId, element } from './dom.ts';
import { PICTURES } from './pictures.ts';
import type { Label } from './protocol.ts';
import { labelText, type Language, TEXTS } from './text.ts';

/** Edge of the file's picture in pixels. */
const EDGE = 640;

/** The labels of a model that there is a picture for, in the order of the pictures. */
export function sampled(labels: readonly Label[]): Label[] {
  return Object.keys(PICTURES).flatMap((name) => labels.find((label) => label.name === name) ?? []);
}

/** Offer the pictures that fit the model. */
export function offerSamples(onFile: (file: File) => void): {
  readonly render: (labels: readonly Label[]) => void;
  readonly speak: (language: Language) => void;
} {
  const place = byId('samples', HTMLElement);
  const list = byId('samples-list', HTMLElement);
  let language: Language = 'en';
  let offered: readonly Label[] = [];
  const name = (picture: HTMLImageElement, label: Label) => {
    picture.alt = TEXTS[language].sample(labelText(label, language));
    picture.title = picture.alt;
  };
  return {
    render(labels) {
      offered = sampled(labels);
      place.hidden = offered.length === 0;
      place.classList.add('offered');
      list.replaceChildren(
        ...offered.map((label) => {
          const picture = element('img');
          picture.src = address(PICTURES[label.name]);
          name(picture, label);
          const control = element('button', 'sample');
          control.type = 'button';
          control.append(picture);
          control.addEventListener('click', () => void drawn(picture, label.name).then(onFile));
          const row = element('li');
          row.append(control);
          return row;
        }),
      );
    },
    speak(next) {
      language = next;
      list.querySelectorAll('img').forEach((picture, index) => name(picture, offered[index]));
    },
  };
}

/** A picture as an address of its own. The namespace is written so that no web address stands in the built page. */
function address(inside: string): string {
  const compact = inside.replaceAll(/\s+/g, ' ').trim();
  const start = "<svg xmlns='http%3A%2F%2Fwww.w3.org/2000/svg' width='320' height='320' viewBox='0 0 320 320'>";
  return `data:image/svg+xml,${start}${encodeURIComponent(compact)}</svg>`;
}

async function drawn(picture: HTMLImageElement, name: string): Promise<File> {
  const canvas = new OffscreenCanvas(EDGE, EDGE);
  await picture.decode();
  canvas.getContext('2d')?.drawImage(picture, 0, 0, EDGE, EDGE);
  // The drawings fill their square: a format without transparency, which is read without WebGL, will do.
  const file = await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.95 });
  return new File([file], `${name}.jpg`, { type: 'image/jpeg' });
}
