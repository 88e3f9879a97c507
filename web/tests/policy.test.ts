import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ICONS, sealOf } from '../src/policy.ts';

test('the seal leaves the icons of the manifest, which are fetched when the page is installed, and nothing else', () => {
  const text = readFileSync(new URL('../public/app.webmanifest', import.meta.url), 'utf8');
  const { icons } = JSON.parse(text) as { icons: { src: string }[] };
  expect(icons.map(({ src }) => src)).toEqual(ICONS);
  const policy = sealOf('https://host.test/a;b,c d/index.html?lang=zh');
  const [connect, images, ...more] = policy.split('; ');
  expect([connect, more]).toEqual(["connect-src 'none'", []]);
  const folder = 'https://host.test/a%3Bb%2Cc%20d/';
  expect(images.split(' ')).toEqual(['img-src', 'blob:', 'data:', ...ICONS.map((path) => folder + path)]);
});
