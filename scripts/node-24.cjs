// tfjs-node 4.22 calls two functions of `util` that newer versions of Node no longer have.
const util = require('node:util');
util.isNullOrUndefined ??= (value) => value === null || value === undefined;
util.isArray ??= Array.isArray;
