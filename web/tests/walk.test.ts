import { expect, test } from 'vitest';
import { chosenFolder, type Entry, type FileEntry, type FolderEntry, gather } from '../src/walk.ts';

/** A reader hands out so many entries at a time; Chromium's does a hundred. */
const BATCH = 2;

type Tree = { readonly [name: string]: Tree | File | null };

/** Entries as a browser gives them; null is a file that cannot be read, a file has whatever name stands for it. */
function entry(fullPath: string, inside: Tree | File | null): Entry {
  if (inside === null || inside instanceof File) {
    const made: FileEntry = {
      isDirectory: false,
      fullPath,
      file: (found, failed) => (inside === null ? failed(new DOMException('gone', 'NotFoundError')) : found(inside)),
    };
    return made;
  }
  const made: FolderEntry = {
    isDirectory: true,
    fullPath,
    createReader() {
      const entries = Object.entries(inside).map(([name, next]) => entry(`${fullPath}/${name}`, next));
      return { readEntries: (found) => found(entries.splice(0, BATCH)) };
    },
  };
  return made;
}

function file(name: string, type = ''): File {
  return new File([], name, { type });
}

const never = () => new AbortController().signal;

test('finds the pictures of a folder, however deep, in the order of their paths', async () => {
  const folder = entry('/holiday', {
    'IMG_10.jpg': file('IMG_10.jpg', 'image/jpeg'),
    'IMG_9.jpg': file('IMG_9.jpg', 'image/jpeg'),
    'IMG_11.HEIC': file('IMG_11.HEIC'),
    beach: { far: { 'a.png': file('a.png', 'image/png') }, 'b.webp': file('b.webp', 'image/webp') },
    empty: {},
  });
  const counts: number[] = [];
  const { found, leftOut } = await gather([folder], (count) => counts.push(count), never());
  expect(found.map(({ name }) => name)).toEqual([
    'holiday/beach/b.webp',
    'holiday/beach/far/a.png',
    'holiday/IMG_9.jpg',
    'holiday/IMG_10.jpg',
    'holiday/IMG_11.HEIC',
  ]);
  expect(found[0].file.name).toBe('b.webp');
  expect(counts).toEqual([1, 2, 3, 4, 5]);
  expect(leftOut).toBe(0);
});

test('counts what it leaves out of a folder', async () => {
  const folder = entry('/mixed', {
    'a.png': file('a.png', 'image/png'),
    'notes.txt': file('notes.txt', 'text/plain'),
    'logo.svg': file('logo.svg', 'image/svg+xml'),
    '._a.png': file('._a.png', 'image/png'),
    'gone.png': null,
  });
  const { found, leftOut } = await gather([folder], () => undefined, never());
  expect(found.map(({ name }) => name)).toEqual(['mixed/a.png']);
  expect(leftOut).toBe(4);
});

test('a folder that cannot be listed is left out, its neighbours are not', async () => {
  const locked: FolderEntry = {
    isDirectory: true,
    fullPath: '/locked',
    createReader: () => ({ readEntries: (_, failed) => failed(new DOMException('no', 'SecurityError')) }),
  };
  const { found, leftOut } = await gather([locked, entry('/a.png', file('a.png'))], () => undefined, never());
  expect(found.map(({ name }) => name)).toEqual(['a.png']);
  expect(leftOut).toBe(1);
});

test('keeps every file that was dropped itself, so that its error can be shown', async () => {
  const { found } = await gather([entry('/notes.txt', file('notes.txt', 'text/plain'))], () => undefined, never());
  expect(found.map(({ name }) => name)).toEqual(['notes.txt']);
});

test('stops looking once it is told to', async () => {
  const stop = new AbortController();
  const names = Array.from({ length: 6 }, (_, index) => `${index}.png`);
  const folder = entry('/many', Object.fromEntries(names.map((name) => [name, file(name)])));
  const { found } = await gather([folder], (count) => count === 3 && stop.abort(), stop.signal);
  expect(found).toHaveLength(3);
});

test('a folder that was chosen gives its pictures with their paths', () => {
  const files = [file('b10.png', 'image/png'), file('b9.png', 'image/png'), file('notes.txt', 'text/plain')];
  const paths = ['album/b10.png', 'album/b9.png', 'album/notes.txt'];
  files.forEach((one, index) => Object.defineProperty(one, 'webkitRelativePath', { value: paths[index] }));
  const { found, leftOut } = chosenFolder(files);
  expect(found.map(({ name }) => name)).toEqual(['album/b9.png', 'album/b10.png']);
  expect(leftOut).toBe(1);
});
