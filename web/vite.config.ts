import { existsSync, readFileSync } from 'node:fs';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import manifest from './package.json' with { type: 'json' };
import { trimmedTfjs } from './vite.tfjs.ts';

/** What the page may do, wherever it is hosted; the server sends it as a header, with what a page cannot say itself. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "connect-src 'self'",
  "img-src 'self' blob: data:",
  "style-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** Hosts that send no headers get the policy from the page itself. */
function contentSecurityPolicy(): Plugin {
  return {
    name: 'content-security-policy',
    apply: 'build',
    transformIndexHtml: () => [
      {
        tag: 'meta',
        attrs: { 'http-equiv': 'Content-Security-Policy', content: CONTENT_SECURITY_POLICY },
        injectTo: 'head-prepend',
      },
    ],
  };
}

/** Libraries name web addresses in their messages. Without them anyone can see that no other host is in the page. */
function noForeignAddresses(): Plugin {
  return {
    name: 'no-foreign-addresses',
    apply: 'build',
    renderChunk: (code) => ({ code: code.replace(/https?:\/\/[^\s"'`)\\]+/g, 'its documentation'), map: null }),
  };
}

/** The licences of what is bundled, which the code itself no longer carries. */
function licences(): Plugin {
  const here = new URL('./', import.meta.url);
  const read = (path: string) => readFileSync(new URL(path, here), 'utf8');
  const entry = (name: string) => {
    const folder = `node_modules/${name}/`;
    const { version, license, author = '' } = JSON.parse(read(`${folder}package.json`)) as Record<string, string>;
    const text = existsSync(new URL(`${folder}LICENSE`, here)) ? `\n\n${read(`${folder}LICENSE`).trim()}` : '';
    return `${name} ${version}\n${license}${author && ` · ${author}`}${text}\n`;
  };
  return {
    name: 'licences',
    apply: 'build',
    generateBundle() {
      const texts = [...Object.keys(manifest.dependencies).map(entry), `Apache-2.0\n\n${read('../LICENSE')}`];
      this.emitFile({ type: 'asset', fileName: 'licences.txt', source: texts.join(`\n${'-'.repeat(80)}\n\n`) });
    },
  };
}

const output = { comments: { legal: false } };

export default defineConfig({
  // Relative addresses: the built page works from any folder of any host.
  base: './',
  plugins: [contentSecurityPolicy(), noForeignAddresses(), licences()],
  build: {
    target: 'es2022',
    // Nothing is inlined: a `data:` address would need a wider policy.
    assetsInlineLimit: 0,
    modulePreload: false,
    chunkSizeWarningLimit: 600,
    rolldownOptions: { output },
  },
  worker: { format: 'es', plugins: () => [trimmedTfjs(), noForeignAddresses()], rolldownOptions: { output } },
  // The largest golden photo takes seconds where other work shares the machine.
  test: { include: ['tests/**/*.test.ts'], testTimeout: 60_000 },
});
