import { HIGH, raiseAfter } from './story.js';
import type { Parts } from './epoch.js';
import type { Results } from './results.js';

/**
 * What the page shows before its first training: the show of the dense model, an epoch a row. Data loss and penalty on
 * training digits, the same on new digits, and the shares that were read correctly.
 */
const RECORDED = [
  [1.785, 0.177, 1.13, 0.185, 0.445, 0.668],
  [0.674, 0.195, 1.06, 0.202, 0.789, 0.7],
  [0.465, 0.203, 0.712, 0.205, 0.853, 0.796],
  [0.312, 0.206, 0.807, 0.208, 0.903, 0.764],
  [0.179, 0.209, 0.81, 0.21, 0.94, 0.824],
  [0.138, 0.21, 0.939, 0.21, 0.965, 0.8],
  [0.102, 0.211, 0.886, 0.211, 0.975, 0.82],
  [0.09, 0.211, 0.813, 0.211, 0.978, 0.816],
  [0.087, 0.211, 0.789, 0.212, 0.976, 0.808],
  [0.087, 0.212, 0.785, 0.213, 0.974, 0.808],
  [0.089, 0.214, 0.991, 0.215, 0.978, 0.772],
  [0.095, 0.216, 0.975, 0.217, 0.972, 0.772],
  [0.119, 2.013, 0.688, 1.759, 0.962, 0.82],
  [0.108, 1.512, 0.732, 1.271, 0.986, 0.764],
  [0.158, 1.107, 0.673, 0.955, 0.969, 0.812],
  [0.187, 0.863, 0.678, 0.78, 0.978, 0.816],
  [0.192, 0.727, 0.684, 0.679, 0.976, 0.816],
  [0.198, 0.646, 0.656, 0.617, 0.971, 0.812],
  [0.203, 0.597, 0.654, 0.579, 0.97, 0.812],
  [0.204, 0.566, 0.643, 0.554, 0.966, 0.824],
  [0.2, 0.544, 0.667, 0.536, 0.972, 0.82],
  [0.192, 0.528, 0.648, 0.521, 0.971, 0.82],
  [0.195, 0.516, 0.648, 0.512, 0.974, 0.828],
  [0.201, 0.51, 0.657, 0.509, 0.973, 0.816],
  [0.211, 0.507, 0.661, 0.508, 0.966, 0.828],
  [0.203, 0.506, 0.686, 0.504, 0.963, 0.816],
  [0.202, 0.503, 0.652, 0.503, 0.967, 0.816],
  [0.207, 0.502, 0.668, 0.503, 0.966, 0.812],
  [0.212, 0.502, 0.662, 0.502, 0.963, 0.832],
  [0.198, 0.499, 0.701, 0.497, 0.97, 0.792],
] as const;

/** Shows the recorded run as if it had just ended. */
export function showRecorded(results: Results): void {
  const parts = (data: number, penalty: number, accuracy: number): Parts => ({
    total: data + penalty,
    data,
    penalty,
    accuracy,
  });
  results.begin(RECORDED.length);
  RECORDED.forEach(([data, penalty, newData, newPenalty, accuracy, newAccuracy], index) => {
    if (index === raiseAfter(RECORDED.length)) results.picture.mark(`L2 ${HIGH}`);
    results.add({ training: parts(data, penalty, accuracy), validation: parts(newData, newPenalty, newAccuracy) });
  });
}
