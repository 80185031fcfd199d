#!/usr/bin/env node
/// <reference types="node" />
import { main } from './cli/main.js';

void main(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
}).then((code) => {
  process.exitCode = code;
});

// Bundlers take a file that exports nothing for CommonJS.
export {};
