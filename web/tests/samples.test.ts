import { expect, test } from 'vitest';
import { PICTURES } from '../src/pictures.ts';
import { sampled } from '../src/samples.ts';

const label = (name: string) => ({ name, display: { en: name } });

test('only what the model has a label for is offered', () => {
  expect(sampled([label('skirt'), label('hat'), label('car')]).map(({ name }) => name)).toEqual(['hat', 'skirt']);
  expect(sampled([label('red'), label('blue')])).toEqual([]);
});

test('drawings ask nobody for anything', () => {
  for (const picture of Object.values(PICTURES)) expect(picture).not.toMatch(/href|url\(|https?:|<style|<script/);
});
