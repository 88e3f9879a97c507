import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import manifest from './package.json' with { type: 'json' };
import { CONTENT_SECURITY_POLICY } from './src/policy.ts';
import { trimmedTfjs } from './vite.tfjs.ts';
import { assembled } from './vite.wat.ts';

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

/** What makes the page installable; the files lie in public/. */
function webManifest(): Plugin {
  return {
    name: 'web-manifest',
    apply: 'build',
    transformIndexHtml: {
      order: 'post',
      handler: () => [
        { tag: 'link', attrs: { rel: 'manifest', href: './app.webmanifest' }, injectTo: 'head' },
        { tag: 'link', attrs: { rel: 'apple-touch-icon', href: './icons/touch-180.png' }, injectTo: 'head' },
      ],
    },
  };
}

/**
 * Writes into index.html what the page has to know of itself: the digests of its files, with which the service worker
 * tells a whole build from parts of two, and empty places for addresses: where a Twinlens server classifies, where it
 * takes feedback if it does, and where a gallery of photos lies if somebody publishes one.
 */
function buildRecord(): Plugin {
  return {
    name: 'build-record',
    apply: 'build',
    writeBundle({ dir }) {
      const read = (path: string) => readFileSync(`${dir}/${path}`);
      const sha256 = (content: string | Buffer) => createHash('sha256').update(content).digest('hex');
      const paths = readdirSync(`${dir}/assets`).map((name) => `assets/${name}`);
      const files = Object.fromEntries(paths.sort().map((path) => [path, sha256(read(path))]));
      const page = read('index.html').toString();
      // Of the page's text too, so that a change of a word in it is another build.
      const id = sha256(JSON.stringify(files) + page).slice(0, 16);
      const record = `<script type="application/json" id="build">${JSON.stringify({ id, files })}</script>`;
      const places = ['server', 'gallery', 'feedback'].map((name) => `<meta name="twinlens-${name}" content="">`);
      writeFileSync(
        `${dir}/index.html`,
        page.replace('</head>', `  ${places.join('\n    ')}\n    ${record}\n  </head>`),
      );
    },
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

/**
 * @cfworker/json-schema makes a URL of the worker's own address as it is imported, which fails for a `blob:`. Any
 * address will do: the schema refers to nothing but itself.
 */
function schemasAnywhere(): Plugin {
  const own = 'self.location.origin + self.location.pathname + location.search';
  return {
    name: 'schemas-anywhere',
    apply: 'build',
    transform: (code, id) =>
      id.includes('@cfworker/json-schema') ? { code: code.replace(own, "'file:///'"), map: null } : null,
  };
}

const output = { comments: { legal: false } };

export default defineConfig({
  // Relative addresses: the built page works from any folder of any host.
  base: './',
  plugins: [assembled(), contentSecurityPolicy(), webManifest(), noForeignAddresses(), licences(), buildRecord()],
  build: {
    target: 'es2022',
    // Nothing is inlined: a `data:` address would need a wider policy.
    assetsInlineLimit: 0,
    modulePreload: false,
    chunkSizeWarningLimit: 600,
    rolldownOptions: { output },
  },
  worker: {
    format: 'es',
    plugins: () => [assembled(), trimmedTfjs(), schemasAnywhere(), noForeignAddresses()],
    rolldownOptions: { output },
  },
  // The largest golden photo takes seconds where other work shares the machine.
  test: { include: ['tests/**/*.test.ts'], testTimeout: 60_000 },
});
