import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { assembled } from './vite.wat.ts';

/** The gallery's search by itself, which benchmarks/similar times; `--outDir` says where it goes. */
export default defineConfig({
  publicDir: false,
  plugins: [assembled()],
  build: {
    target: 'es2022',
    lib: {
      entry: fileURLToPath(new URL('./src/similar/gallery.ts', import.meta.url)),
      formats: ['es'],
      fileName: () => 'gallery.js',
    },
  },
});
