const { readStamp } = require('./setup/stamp.cjs');

/**
 * Whether the last set-up found tfjs-node to work here, and nothing of it has changed since. Loads nothing.
 *
 * @returns {boolean}
 */
module.exports = function tfjsNodeAvailable() {
  return readStamp()?.usable === true;
};
