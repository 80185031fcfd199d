/** The names in the one file for browsers. */
export * from '../../src/charts.js';
export * from '../../src/gradients.js';
export * from '../../src/index.js';
export * from '../../src/regularizers.js';
