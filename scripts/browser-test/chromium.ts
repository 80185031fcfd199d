import fs from 'node:fs';

const PLACES = [
  process.env.CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** Where Chromium is; `undefined` where there is none. */
export const chromiumPath = (): string | undefined =>
  PLACES.find((place) => place !== undefined && fs.existsSync(place));

/** Headless, with WebGL and WebGPU on the CPU, and without a connection to anybody. */
export const ARGUMENTS = [
  '--no-sandbox',
  '--ignore-gpu-blocklist',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-features=Vulkan,WebGPU',
  '--use-vulkan=swiftshader',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Headless, with nothing but the processor: no WebGL, no WebGPU. */
export const WITHOUT_GPU = [
  ...ARGUMENTS.filter((argument) => !/swiftshader|gpu|Vulkan/.test(argument)),
  '--disable-gpu',
  '--disable-software-rasterizer',
];
