/**
 * TensorFlow.js on WebGPU. Built as a file of its own (see ../../vite.tfjs.ts), which the engine loads when the page
 * already answers and the browser has WebGPU.
 */
import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu/dist/backend_webgpu';
import '@tensorflow/tfjs-backend-webgpu/dist/flags_webgpu';
import { env, registerBackend, registerKernel, removeBackend, setBackend } from '@tensorflow/tfjs-core';
import { KERNELS } from '../kernels/webgpu.ts';
import type { Backend } from './backend.ts';

let registered = false;

export async function start(software: boolean): Promise<Backend | null> {
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter || (adapter.info.isFallbackAdapter && !software)) return null;
  const { maxComputeWorkgroupStorageSize, maxComputeWorkgroupsPerDimension, maxBufferSize } = adapter.limits;
  const { maxComputeWorkgroupSizeX, maxComputeInvocationsPerWorkgroup, maxStorageBufferBindingSize } = adapter.limits;
  const device = await adapter.requestDevice({
    // What TensorFlow.js' own base.ts asks for: all that there is.
    requiredLimits: {
      maxComputeWorkgroupStorageSize,
      maxComputeWorkgroupsPerDimension,
      maxStorageBufferBindingSize,
      maxBufferSize,
      maxComputeWorkgroupSizeX,
      maxComputeInvocationsPerWorkgroup,
    },
  });
  const backend = new WebGPUBackend(device, adapter.info);
  registerBackend('webgpu', () => backend);
  if (!registered) for (const kernel of KERNELS) registerKernel(kernel);
  registered = true;
  if (!(await setBackend('webgpu'))) return null;
  return {
    id: 'webgpu',
    threads: null,
    lost: device.lost.then(() => undefined),
    async compile(run) {
      env().set('WEBGPU_ENGINE_COMPILE_ONLY', true);
      try {
        run();
      } finally {
        env().set('WEBGPU_ENGINE_COMPILE_ONLY', false);
      }
      await backend.checkCompileCompletionAsync();
    },
    stop() {
      removeBackend('webgpu');
      device.destroy();
    },
  };
}
