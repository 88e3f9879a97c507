/**
 * The ways in: photos and folders chosen, dropped anywhere on the page, or pasted.
 */
import { byId } from './dom.ts';
import { chosenFolder, type Entry, type Found, gather, type Haul } from './walk.ts';

interface Options {
  readonly onPhotos: (found: readonly Found[]) => void;
  /** Told while a dropped folder is being looked through. */
  readonly onGathering: (count: number) => void;
  /** Told after a folder: how many pictures it had, how many files were left out. */
  readonly onFolder: (haul: Haul) => void;
  /** What a pasted picture is called: the clipboard calls each the same. */
  readonly pastedName: () => string;
}

/** Listen on all ways in. */
export function listen(options: Options): { readonly stop: () => void } {
  const chosen = byId('file', HTMLInputElement);
  chosen.addEventListener('change', () => {
    options.onPhotos(Array.from(chosen.files ?? [], single));
    chosen.value = ''; // so that the same photo can be chosen again
  });

  const folder = byId('folder', HTMLInputElement);
  byId('folder-chooser', HTMLElement).hidden = !('webkitdirectory' in folder);
  folder.addEventListener('change', () => {
    const haul = chosenFolder(Array.from(folder.files ?? []));
    folder.value = '';
    options.onFolder(haul);
  });

  document.addEventListener('paste', (event) => {
    const files = Array.from(event.clipboardData?.files ?? []);
    options.onPhotos(
      files.map((file) => ({ file, name: file.name === 'image.png' ? options.pastedName() : file.name })),
    );
  });

  let searching = new AbortController();
  onDrop(async (items, files) => {
    if (items.length === 0) {
      options.onPhotos(files.map(single));
      return;
    }
    const signal = searching.signal;
    const haul = await gather(items, options.onGathering, signal);
    if (!signal.aborted) options.onFolder(haul);
  });
  return {
    stop() {
      searching.abort();
      searching = new AbortController();
    },
  };
}

function single(file: File): Found {
  return { file, name: file.name };
}

/**
 * The whole page takes drops. A drag fires `dragleave` on every element that it crosses, hence the count.
 *
 * @param take gets the entries, where there is a folder among them, and else the files.
 */
function onDrop(take: (entries: Entry[], files: File[]) => Promise<void>): void {
  let dragged = 0;
  addEventListener('dragenter', (event) => {
    event.preventDefault();
    document.body.classList.toggle('dropping', ++dragged > 0);
  });
  addEventListener('dragleave', () => document.body.classList.toggle('dropping', --dragged > 0));
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', (event) => {
    const taken = event.defaultPrevented; // a part of the page has taken the files for itself
    event.preventDefault();
    dragged = 0;
    document.body.classList.remove('dropping');
    if (taken) return;
    // Entries must be asked for before the event is over; files that a page made itself have none.
    const entries = Array.from(event.dataTransfer?.items ?? [], (item) => item.webkitGetAsEntry());
    const known = entries.filter((entry) => entry !== null);
    const folders = known.some((entry) => entry.isDirectory);
    void take(folders ? known : [], Array.from(event.dataTransfer?.files ?? []));
  });
}
