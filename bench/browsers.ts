import path from 'node:path';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { ARGUMENTS, chromiumPath } from '../scripts/browser-test/chromium.js';
import type { BrowserTimes } from './page.js';
import { ratios, spread, type Spread } from './paired.js';
import { mlpOfBrowsers } from './workloads.js';

/** One backend in Chromium: the time of a step with L2, and the other ways as ratios to it. */
export interface BrowserMeasured {
  backend: string;
  milliseconds: number;
  ratios: Record<'none' | 'noise' | 'decomposed' | 'fused-decomposed', Spread>;
}

/** What part of the rounds each backend gets: a software GPU takes its time over WebGPU. */
const BACKENDS = { wasm: 1, webgl: 1, webgpu: 1 / 3 };

const ADDRESS = 'http://localhost/';
const modules = path.join(__dirname, '..', 'node_modules');

/**
 * Trains on each backend of a headless Chromium; `null` if there is none. WebGL and WebGPU run on the processor.
 *
 * @param say - Is told which backend is next.
 */
export async function inBrowsers(rounds: number, say: (text: string) => void): Promise<BrowserMeasured[] | null> {
  const executablePath = chromiumPath();
  if (executablePath === undefined) return null;
  const body = await script();
  const browser = await chromium.launch({ executablePath, args: ARGUMENTS });
  try {
    const page = await browser.newPage();
    await page.route(ADDRESS, (route) =>
      route.fulfill({ contentType: 'text/html', body: '<script src=page.js></script>' }),
    );
    await page.route(`${ADDRESS}page.js`, (route) => route.fulfill({ contentType: 'text/javascript', body }));
    await page.route(`${ADDRESS}**/*.wasm`, (route) =>
      route.fulfill({ path: path.join(modules, new URL(route.request().url()).pathname) }),
    );
    await page.goto(ADDRESS);
    const measured: BrowserMeasured[] = [];
    for (const [backend, part] of Object.entries(BACKENDS)) {
      say(`Chromium, ${backend} …`);
      const wasm = `${ADDRESS}@tensorflow/tfjs-backend-wasm/dist/`;
      const times = await page.evaluate(
        ([name, place, count]) =>
          (globalThis as unknown as { timeBackend(...args: unknown[]): Promise<BrowserTimes> }).timeBackend(
            name,
            place,
            count,
          ),
        [backend, wasm, Math.ceil(part * rounds)] as const,
      );
      const ratioOf = (way: string): Spread => ratios(times[way]!, times['l2-again']!);
      measured.push({
        backend,
        milliseconds: spread(times['l2-again']!).median / mlpOfBrowsers.steps,
        ratios: {
          none: ratioOf('none'),
          noise: ratioOf('noise'),
          decomposed: ratioOf('decomposed'),
          'fused-decomposed': ratioOf('fused-decomposed'),
        },
      });
    }
    return measured;
  } finally {
    await browser.close();
  }
}

/** The script of the page, with the built package. */
async function script(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [path.join(__dirname, 'page.ts')],
    alias: {
      'tfjs-decomposed-loss': path.join(__dirname, '..', 'dist', 'esm'),
      '@tensorflow/tfjs-node': '@tensorflow/tfjs',
    },
    bundle: true,
    write: false,
    logLevel: 'error',
  });
  return outputFiles[0]!.text;
}
