/** What a browser measures: several ways to train one net on one backend, in turn. Built with `@tensorflow/tfjs` for tfjs-node. */
import * as tf from '@tensorflow/tfjs-node';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import '@tensorflow/tfjs-backend-webgpu';
import { timeInTurn } from './paired.js';
import { ways } from './ways.js';
import { compiled, l2, mlpOfBrowsers } from './workloads.js';

/** The milliseconds of each way, one value per round. */
export type BrowserTimes = Record<string, number[]>;

/** @param wasm - The address of the folder with the WebAssembly backend's files. */
export async function timeBackend(backend: string, wasm: string, rounds: number): Promise<BrowserTimes> {
  setWasmPaths(wasm);
  if (!(await tf.setBackend(backend))) throw new Error(`Expected the backend ${backend} to start.`);
  const workload = mlpOfBrowsers;
  const data = workload.data(workload.batchSize * workload.steps);
  const taken = ways.filter(({ name }) => WAYS.includes(name));
  const shared = compiled(workload, l2());
  const actions = taken.map((way) => way.prepare(workload, data, shared));
  const times = await timeInTurn(actions, rounds, 2);
  tf.disposeVariables();
  tf.dispose([data.x, data.y]);
  return Object.fromEntries(taken.map(({ name }, index) => [name, times[index]!]));
}

const WAYS = ['l2-again', 'noise', 'decomposed', 'fused-decomposed', 'none'];

Object.assign(globalThis, { timeBackend });
