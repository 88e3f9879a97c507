import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

/** The service worker: one script beside index.html, whose folder is all that it may serve. */
export default defineConfig({
  build: {
    target: 'es2022',
    emptyOutDir: false,
    copyPublicDir: false,
    lib: {
      entry: fileURLToPath(new URL('./src/offline/sw.ts', import.meta.url)),
      formats: ['iife'],
      name: 'twinlens',
      fileName: () => 'sw.js',
    },
  },
});
