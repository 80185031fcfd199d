import fs from 'node:fs';
import path from 'node:path';

/** Adds up the JSON results of jest in a folder, and prints them on one line. */
const [folder] = process.argv.slice(2);
const results = fs
  .readdirSync(folder)
  .map((file) => JSON.parse(fs.readFileSync(path.join(folder, file), 'utf8')))
  // A file of tests that does not even load has no test of its own to fail.
  .map((run) => ({ ...run, numFailedTests: run.numFailedTests + run.numRuntimeErrorTestSuites }));
const total = (count) => results.reduce((sum, run) => sum + run[count], 0);
const skipped = total('numPendingTests') + total('numTodoTests');

console.log(
  `${total('numPassedTests')} passed, ${total('numFailedTests')} failed${skipped ? `, ${skipped} skipped` : ''}`,
);
