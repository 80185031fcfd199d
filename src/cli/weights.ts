/// <reference types="node" />
import { readFileSync, statSync } from 'node:fs';
import { dirname, join, win32 } from 'node:path';
import type { io } from '@tensorflow/tfjs-core';
import { isJsonObject } from './json-limits.js';
import { UnusableInput, reason, shown } from './unusable.js';
import { byteLength, checkedSpec } from './weight-specs.js';

const LARGEST = 2 ** 31;

/** The weights of a saved model. */
export interface SavedWeights {
  weightSpecs: io.WeightsManifestEntry[];
  /** All files, one behind the other. */
  weightData: ArrayBuffer;
}

/**
 * Reads the weights that a manifest names; each file is looked at before it is read.
 *
 * @param modelPath - The model.json, in whose folder the weights have to be.
 * @throws UnusableInput with a plain sentence if anything does not fit together.
 */
export function readWeights(modelPath: string, manifest: readonly unknown[]): SavedWeights {
  const groups = manifest.map((group) => checkedGroup(modelPath, group));
  const weightSpecs = groups.flatMap(({ specs }) => specs);
  checkNames(modelPath, weightSpecs);
  const total = sum(groups.map(({ size }) => size));
  if (total > LARGEST) {
    throw new UnusableInput(`Expected at most ${LARGEST} bytes of weights, got ${total} in ${modelPath}.`);
  }
  const weightData = new Uint8Array(total);
  let offset = 0;
  for (const file of groups.flatMap(({ files }) => files)) {
    const content = read(file);
    weightData.set(content, offset);
    offset += content.length;
  }
  return { weightSpecs, weightData: weightData.buffer };
}

function checkNames(modelPath: string, specs: readonly io.WeightsManifestEntry[]): void {
  const seen = new Set<string>();
  for (const { name } of specs) {
    if (seen.has(name)) {
      throw new UnusableInput(`Expected each weight in ${modelPath} once, got ${shown(name)} twice.`);
    }
    seen.add(name);
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

interface Group {
  specs: io.WeightsManifestEntry[];
  files: string[];
  size: number;
}

function checkedGroup(modelPath: string, group: unknown): Group {
  if (!isJsonObject(group) || !Array.isArray(group['paths']) || !Array.isArray(group['weights'])) {
    throw new UnusableInput(
      `Expected each entry of the \`weightsManifest\` in ${modelPath} to have \`paths\` and \`weights\`, got ${shown(group)}.`,
    );
  }
  const specs = group['weights'].map((spec) => checkedSpec(modelPath, spec));
  const files = group['paths'].map((path) => shardFile(modelPath, path));
  const [size, needed] = [sum(files.map(fileSize)), sum(specs.map(byteLength))];
  if (size !== needed) {
    throw new UnusableInput(
      `Expected ${needed} bytes of weights in ${files.join(', ') || 'no file'}, got ${size}. ` +
        'A file is incomplete, or belongs to another model.',
    );
  }
  return { specs, files, size };
}

/** Whatever system the path was meant for, it must not leave the folder. */
function shardFile(modelPath: string, path: unknown): string {
  const isInside =
    typeof path === 'string' &&
    path !== '' &&
    !path.includes('\0') &&
    !win32.isAbsolute(path) &&
    !/^[a-z]:/i.test(path) &&
    !path.split(/[\\/]/).includes('..');
  if (isInside) return join(dirname(modelPath), path);
  throw new UnusableInput(
    `Expected the files of weights to be in the folder of ${modelPath}, got the path ${shown(path)}.`,
  );
}

function fileSize(file: string): number {
  try {
    const stats = statSync(file);
    if (stats.isFile()) return stats.size;
  } catch (error) {
    throw new UnusableInput(`Expected the weights in ${file}: ${reason(error)}.`);
  }
  throw new UnusableInput(`Expected the weights in ${file}, which is no file.`);
}

function read(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UnusableInput(`Expected the weights in ${file}: ${reason(error)}.`);
  }
}
