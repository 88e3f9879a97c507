import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

/** The page of `review/`, which `twinlens review` gives out. */
export default defineConfig({
  root: fileURLToPath(new URL('./review/', import.meta.url)),
  base: './',
  build: { target: 'es2022', outDir: '../dist-review', emptyOutDir: true, modulePreload: false, assetsInlineLimit: 0 },
});
