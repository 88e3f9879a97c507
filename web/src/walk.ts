/**
 * Folders, dropped or chosen: the pictures in them, however deep, in the order of their paths.
 */

/** The parts of the File and Directory Entries API that are used. */
export interface Entry {
  readonly isDirectory: boolean;
  readonly fullPath: string;
}

export interface FileEntry extends Entry {
  file(found: (file: File) => void, failed: (error: unknown) => void): void;
}

export interface FolderEntry extends Entry {
  createReader(): {
    readEntries(found: (entries: Entry[]) => void, failed: (error: unknown) => void): void;
  };
}

export interface Found {
  readonly file: File;
  /** The file's path in the folder that was given; of a single file, its name. */
  readonly name: string;
}

export interface Haul {
  readonly found: readonly Found[];
  /** Files in folders that are no pictures or could not be read. */
  readonly leftOut: number;
}

/** Extensions of pictures that some system gives no media type; formats that are not read get an error that names them. */
const PICTURE = /\.(jpe?g|jfif|png|apng|webp|gif|bmp|dib|avif|tiff?|hei[cf]|jxl|jp2|j2k)$/i;

const byPath = new Intl.Collator('en', { numeric: true }).compare;

/**
 * Gather the files of what was dropped.
 *
 * Files that were dropped themselves are all kept: whoever drops one wants to know what is wrong with it. Of those in
 * folders only pictures are.
 *
 * @param onFound told how many have been found so far.
 * @param signal ends the search; what was found until then is returned.
 */
export async function gather(
  entries: readonly Entry[],
  onFound: (count: number) => void,
  signal: AbortSignal,
): Promise<Haul> {
  const found: Found[] = [];
  let leftOut = 0;
  const visit = async (entry: Entry, inFolder: boolean): Promise<void> => {
    if (signal.aborted) return;
    if (entry.isDirectory) {
      const inside = await listed(entry as FolderEntry).catch(() => {
        leftOut++;
        return [];
      });
      for (const next of inside.sort((a, b) => byPath(a.fullPath, b.fullPath))) await visit(next, true);
      return;
    }
    const file = await new Promise<File>((resolve, reject) => {
      (entry as FileEntry).file(resolve, reject);
    }).catch(() => null);
    if (signal.aborted as boolean) return; // meanwhile
    if (file && (!inFolder || isPicture(file))) {
      found.push({ file, name: inFolder ? entry.fullPath.replace(/^\//, '') : file.name });
      onFound(found.length);
    } else {
      leftOut++;
    }
  };
  for (const entry of entries) await visit(entry, false);
  return { found, leftOut };
}

/** The pictures of a folder that was chosen in a file dialog. */
export function chosenFolder(files: readonly File[]): Haul {
  const found = files
    .filter(isPicture)
    .map((file) => ({ file, name: file.webkitRelativePath || file.name }))
    .sort((a, b) => byPath(a.name, b.name));
  return { found, leftOut: files.length - found.length };
}

function isPicture(file: File): boolean {
  const hidden = file.name.startsWith('.');
  return !hidden && ((file.type.startsWith('image/') && file.type !== 'image/svg+xml') || PICTURE.test(file.name));
}

/** All entries of a folder, which its reader hands out a hundred or so at a time. */
async function listed(folder: FolderEntry): Promise<Entry[]> {
  const reader = folder.createReader();
  const all: Entry[] = [];
  for (;;) {
    const some = await new Promise<Entry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
  }
}
