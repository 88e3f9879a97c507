/** A WebAssembly module, assembled as the page is built (vite.wat.ts). */
declare module '*.wat' {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
