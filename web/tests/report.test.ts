import { expect, test } from 'vitest';
import { toCsv, toJson, toText } from '../src/report.ts';
import { albumOf, PUBLICATION } from './photos.ts';

const { photos } = albumOf({
  'hat, "red".png': [0.9, 0.07, 0.03],
  '=HYPERLINK("x").png': [0.4, 0.35, 0.25],
  'notes\n.txt': { code: 'not_an_image', bytes: 4 },
  'later.png': null,
});
const DIGESTS = `clothing,v1,${'d'.repeat(64)}`;
const SHA = 'a'.repeat(64);

test('CSV is what RFC 4180 asks for, and no cell is a formula', () => {
  expect(toCsv(photos, PUBLICATION)).toBe(
    '\ufeffname,input_sha256,label,score,not_sure,error,model,version,contract_sha256,score of hat,score of dress,score of shoes\r\n' +
      `"hat, ""red"".png",${SHA},hat,0.9,false,,${DIGESTS},0.9,0.07,0.03\r\n` +
      `"'=HYPERLINK(""x"").png",${SHA},hat,0.4,true,,${DIGESTS},0.4,0.35,0.25\r\n` +
      `"notes\n.txt",,,,,not_an_image,${DIGESTS},,,\r\n`,
  );
});

test.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '＝1', '＠a'])('the name %j becomes text', (name) => {
  const album = albumOf({ [name]: [1, 0, 0] });
  const [, row] = toCsv(album.photos, PUBLICATION).split('\r\n');
  expect(row.startsWith("'") || row.startsWith(`"'`)).toBe(true);
});

test.each(['a;=1+1', 'a\t=1+1'])('the name %j stays one cell where another separator is looked for', (name) => {
  const [, row] = toCsv(albumOf({ [name]: [1, 0, 0] }).photos, PUBLICATION).split('\r\n');
  expect(row.startsWith(`"${name}",`)).toBe(true);
});

test('a label that would be a formula becomes text in the header and in its rows', () => {
  const labels = [{ name: '-1', display: { en: 'one' } }];
  const csv = toCsv(albumOf({ a: [1] }).photos, { ...PUBLICATION, labels });
  expect(csv).toContain(`,score of -1\r\n`);
  expect(csv).toContain(`a,${SHA},'-1,1,false`);
});

test('numbers keep their full precision, and small ones are numbers', () => {
  const album = albumOf({ a: [1 - 1e-7, 1e-7, 0] });
  expect(toCsv(album.photos, PUBLICATION)).toContain(',0.9999999,1e-7,0\r\n');
});

test('JSON tells the model and the photos that are done', () => {
  expect(JSON.parse(toJson(photos, PUBLICATION))).toEqual({
    model: { name: 'clothing', version: 'v1', contract_sha256: 'd'.repeat(64), not_sure_threshold: 0.5 },
    photos: [
      {
        name: 'hat, "red".png',
        format: 'png',
        width: 40,
        height: 30,
        input_sha256: SHA,
        label: 'hat',
        score: 0.9,
        not_sure: false,
        scores: { hat: 0.9, dress: 0.07, shoes: 0.03 },
      },
      {
        name: '=HYPERLINK("x").png',
        format: 'png',
        width: 40,
        height: 30,
        input_sha256: SHA,
        label: 'hat',
        score: 0.4,
        not_sure: true,
        scores: { hat: 0.4, dress: 0.35, shoes: 0.25 },
      },
      { name: 'notes\n.txt', error: 'not_an_image' },
    ],
  });
});

test('text is in the visitor’s language', () => {
  const [first, second, ...rest] = toText(photos, PUBLICATION, 'en').split('\n');
  expect(first).toBe('hat, "red".png: hat 90.0%');
  expect(second).toBe('=HYPERLINK("x").png: not sure (closest: hat 40.0%)');
  expect(rest.join('\n')).toContain('not an image');
  expect(toText(photos.slice(0, 1), PUBLICATION, 'zh')).toBe('hat, "red".png: 帽子 90.0%');
});
