// What `@tensorflow/tfjs-core` and `@tensorflow/tfjs-layers` are in the files for browsers.
if (!globalThis.tf?.LayersModel) {
  throw new Error(
    'Expected the global `tf`, got none. Load tf.min.js of @tensorflow/tfjs with a <script> before this.',
  );
}
module.exports = globalThis.tf;
