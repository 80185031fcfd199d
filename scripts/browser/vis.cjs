// What `@tensorflow/tfjs-vis` is in the files for browsers.
if (!globalThis.tfvis?.render) {
  throw new Error(
    'Expected the global `tfvis`, got none. Load tfjs-vis.umd.min.js of @tensorflow/tfjs-vis with a <script> before this.',
  );
}
module.exports = globalThis.tfvis;
