/**
 * TensorFlow.js on WebGL 2. Built as a file of its own (see ../../vite.tfjs.ts), which the engine loads when the page
 * already answers.
 */
import { clearWebGLContext } from '@tensorflow/tfjs-backend-webgl/dist/canvas_util';
import { GPGPUContext, MathBackendWebGL, setWebGLContext } from '@tensorflow/tfjs-backend-webgl/dist/webgl';
import { env, registerBackend, registerKernel, removeBackend, setBackend } from '@tensorflow/tfjs-core';
import { KERNELS } from '../kernels/webgl.ts';
import type { Backend } from './backend.ts';

/** As TensorFlow.js asks for it (canvas_util.ts). */
const ATTRIBUTES: WebGLContextAttributes = {
  alpha: false,
  antialias: false,
  premultipliedAlpha: false,
  preserveDrawingBuffer: false,
  depth: false,
  stencil: false,
};

let registered = false;

export async function start(software: boolean): Promise<Backend | null> {
  const canvas = new OffscreenCanvas(1, 1);
  const gl = canvas.getContext('webgl2', { ...ATTRIBUTES, failIfMajorPerformanceCaveat: !software });
  if (!gl) return null;
  // The context is ours, for TensorFlow.js does not tell when it loses its own.
  setWebGLContext(2, gl);
  const backend = new MathBackendWebGL(new GPGPUContext(gl));
  registerBackend('webgl', () => backend);
  if (!registered) for (const kernel of KERNELS) registerKernel(kernel);
  registered = true;
  if (!(await setBackend('webgl'))) return null;
  const lost = new Promise<void>((resolve) => {
    canvas.addEventListener('webglcontextlost', () => {
      // TensorFlow.js would ask for ever whether the graphics card is done.
      gl.clientWaitSync = () => gl.ALREADY_SIGNALED;
      resolve();
    });
  });
  return {
    id: 'webgl',
    threads: null,
    lost,
    async compile(run) {
      // Every shader is handed to the driver before the first is waited for (KHR_parallel_shader_compile).
      env().set('ENGINE_COMPILE_ONLY', true);
      try {
        run();
      } finally {
        env().set('ENGINE_COMPILE_ONLY', false);
      }
      await backend.checkCompileCompletionAsync();
      backend.getUniformLocations();
    },
    stop() {
      removeBackend('webgl');
      clearWebGLContext(2);
      gl.getExtension('WEBGL_lose_context')?.loseContext();
    },
  };
}
