/**
 * What the library knows of TensorFlow.js that TensorFlow.js does not document: this file and its folder are the one place
 * to read and to mend when a new release of it changes. Line links are to the release that the tests run on, 4.22.0.
 */
export * from './host/activity.js';
export * from './host/batch.js';
export * from './host/calculation.js';
export * from './host/changes.js';
export * from './host/declared.js';
export * from './host/evaluation-watch.js';
export * from './host/gradients.js';
export * from './host/l2-loss.js';
export * from './host/model.js';
export * from './host/penalties.js';
export * from './host/progress-bar.js';
export * from './host/regularizers.js';
export * from './host/run.js';
export * from './host/step-watch.js';
export * from './host/summary-writer.js';
export * from './host/weights.js';
