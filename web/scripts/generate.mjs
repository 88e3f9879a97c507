// Writes src/contract.gen.ts, the contract's TypeScript types, from the JSON Schema that Python's classes define.
// With --check it writes nothing and fails if the file is not what the schema gives.
import { readFile, writeFile } from 'node:fs/promises';
import { compile } from 'json-schema-to-typescript';

const SCHEMA = new URL('../../twinlens/contract.schema.json', import.meta.url);
const TARGET = new URL('../src/contract.gen.ts', import.meta.url);
const BANNER = '// Generated from twinlens/contract.schema.json by `npm run generate`; not edited by hand.';

/** The schema as json-schema-to-typescript wants it: no titles (each would name a type of its own), older tuples. */
function plain(node) {
  if (Array.isArray(node)) return node.map(plain);
  if (node === null || typeof node !== 'object') return node;
  const { title, prefixItems, ...rest } = node;
  const copy = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, plain(value)]));
  if (prefixItems) copy.items = plain(prefixItems);
  else if (copy.type === 'array') delete copy.minItems;
  return copy;
}

const schema = { ...plain(JSON.parse(await readFile(SCHEMA, 'utf8'))), $id: 'Contract' };
const types = await compile(schema, 'Contract', { bannerComment: BANNER });

if (!process.argv.includes('--check')) {
  await writeFile(TARGET, types);
} else if ((await readFile(TARGET, 'utf8').catch(() => '')) !== types) {
  console.error('src/contract.gen.ts is not what twinlens/contract.schema.json gives. Run `npm run generate`.');
  process.exitCode = 1;
}
