/**
 * What can be done with the answers: which are shown, in which order, with how many labels and with which map; copied,
 * shared, saved.
 */
import type { Group } from './album.ts';
import { type Order, ORDERS } from './arrange.ts';
import type { View } from './card.ts';
import { byId, element } from './dom.ts';
import { canCopy, canShare } from './save.ts';
import { labelText, TEXTS } from './text.ts';

/** How many labels can be shown; all of them only where that is a list people can read. */
const COUNTS = [1, 3, 5, 10, 20];
export const ALL_AT_MOST = 60;
/** How long "Copied" stands. */
const COPIED_MS = 2000;

interface Options {
  readonly onFilter: (filter: Group | null) => void;
  readonly onOrder: (order: Order) => void;
  readonly onShown: (shown: number) => void;
  readonly onMap: (map: boolean) => void;
  readonly onCopy: () => Promise<void>;
  readonly onShare: () => Promise<void>;
  readonly onSave: (kind: 'csv' | 'json') => void;
}

export class Tools {
  private readonly filter = byId('filter', HTMLSelectElement);
  private readonly order = byId('order', HTMLSelectElement);
  private readonly shown = byId('shown', HTMLSelectElement);
  private readonly map = byId('map', HTMLButtonElement);
  private readonly copy = byId('copy', HTMLButtonElement);

  constructor(options: Options) {
    this.filter.addEventListener('change', () => options.onFilter(groupOfValue(this.filter.value)));
    this.order.addEventListener('change', () => options.onOrder(this.order.value as Order));
    this.shown.addEventListener('change', () => options.onShown(Number(this.shown.value)));
    this.map.addEventListener('click', () => options.onMap(this.map.getAttribute('aria-pressed') !== 'true'));
    this.copy.hidden = !canCopy();
    this.copy.addEventListener('click', () => void options.onCopy());
    const share = byId('share', HTMLButtonElement);
    share.hidden = !canShare();
    share.addEventListener('click', () => void options.onShare());
    byId('csv', HTMLButtonElement).addEventListener('click', () => options.onSave('csv'));
    byId('json', HTMLButtonElement).addEventListener('click', () => options.onSave('json'));
  }

  /** Show the choices that there are, in the visitor's words. */
  render({ language, ready, shown, map }: View, counts: ReadonlyMap<Group, number>, total: number): void {
    const texts = TEXTS[language];
    const labels = ready?.labels ?? [];
    this.renderFilter(language, labels, counts, total);
    fill(
      this.order,
      ORDERS.map((order) => [order, texts.orders[order]]),
    );
    const lengths = COUNTS.filter((count) => count < labels.length);
    fill(this.shown, [
      ...lengths.map((count) => [String(count), texts.labelCount(count)] as const),
      ...(labels.length <= ALL_AT_MOST ? [['Infinity', texts.allLabels] as const] : []),
    ]);
    this.shown.value = String(shown < labels.length ? shown : Infinity);
    const possible = ready?.maps ?? false;
    this.map.hidden = !possible;
    this.map.setAttribute('aria-pressed', String(map));
    byId('map-scale', HTMLElement).hidden = !possible || !map;
    byId('no-map', HTMLElement).hidden = ready === null || possible;
    this.copy.textContent = texts.copy;
  }

  /** Say that the answers were copied. */
  async showCopied(language: View['language']): Promise<void> {
    this.copy.textContent = TEXTS[language].copied;
    await new Promise((resolve) => setTimeout(resolve, COPIED_MS));
    // Another language may have been chosen meanwhile.
    if (this.copy.textContent === TEXTS[language].copied) this.copy.textContent = TEXTS[language].copy;
  }

  private renderFilter(
    language: View['language'],
    labels: NonNullable<View['ready']>['labels'],
    counts: ReadonlyMap<Group, number>,
    total: number,
  ): void {
    const { filters } = TEXTS[language];
    const name = (group: Group) => {
      if (group === 'not-sure') return filters.notSure;
      if (group === 'failed') return filters.failed;
      return labelText(labels[group], language);
    };
    const byPosition = (group: Group) =>
      typeof group === 'number' ? group : labels.length + Number(group === 'failed');
    const groups = [...counts].sort(([a], [b]) => byPosition(a) - byPosition(b));
    fill(this.filter, [
      ['', filters.counted(filters.all, total)],
      ...groups.map(([group, count]) => [String(group), filters.counted(name(group), count)] as const),
    ]);
  }
}

function groupOfValue(value: string): Group | null {
  if (value === '') return null;
  return value === 'not-sure' || value === 'failed' ? value : Number(value);
}

/** Give a list these options and keep the choice; where only words differ the options stay, for the list may be open. */
function fill(list: HTMLSelectElement, wanted: readonly (readonly [value: string, text: string])[]): void {
  const { value, options } = list;
  if (wanted.length === options.length && wanted.every(([value], index) => options[index].value === value)) {
    wanted.forEach(([, text], index) => (options[index].textContent = text));
    return;
  }
  list.replaceChildren(
    ...wanted.map(([value, text]) => {
      const option = element('option', '', text);
      option.value = value;
      return option;
    }),
  );
  list.value = wanted.some(([known]) => known === value) ? value : wanted[0][0];
}
