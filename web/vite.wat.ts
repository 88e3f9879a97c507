/**
 * WebAssembly in its text format: `import bytes from './some.wat'` gives the assembled module. A few kilobytes of it
 * are part of the script, so that no photo waits for another file.
 */
import type { Plugin } from 'vite';
import wabt from 'wabt';

export function assembled(): Plugin {
  return {
    name: 'assembled',
    async transform(text, id) {
      if (!id.endsWith('.wat')) return null;
      const module = (await wabt()).parseWat(id, text, { simd: true, relaxed_simd: true });
      try {
        module.validate();
        const base64 = Buffer.from(module.toBinary({}).buffer).toString('base64');
        return {
          code: `export default Uint8Array.from(atob('${base64}'), (character) => character.charCodeAt(0));`,
          map: null,
        };
      } finally {
        module.destroy();
      }
    },
  };
}
