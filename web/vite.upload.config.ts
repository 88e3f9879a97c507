import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { assembled } from './vite.wat.ts';

/** The page of `upload/`, which only the load test opens. */
export default defineConfig({
  root: fileURLToPath(new URL('./upload/', import.meta.url)),
  base: './',
  build: { target: 'es2022', outDir: '../dist-upload', emptyOutDir: true, modulePreload: false },
  worker: { format: 'es', plugins: () => [assembled()] },
});
