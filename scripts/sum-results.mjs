import fs from 'node:fs';
import path from 'node:path';

/** Adds up the JSON results of jest in a folder, and prints them on one line. */
const [folder] = process.argv.slice(2);
const results = fs.readdirSync(folder).map((file) => JSON.parse(fs.readFileSync(path.join(folder, file), 'utf8')));
const total = (...counts) => results.reduce((sum, run) => counts.reduce((all, count) => all + run[count], sum), 0);
const skipped = total('numPendingTests', 'numTodoTests');
// A file of tests that does not even load has no test of its own to fail.
const failed = total('numFailedTests', 'numRuntimeErrorTestSuites');
console.log(`${total('numPassedTests')} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`);
