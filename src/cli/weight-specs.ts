import type { io } from '@tensorflow/tfjs-core';
import { isJsonObject } from './json-limits.js';
import { UnusableInput, shown } from './unusable.js';

const BYTES: { [dtype: string]: number } = { float32: 4, int32: 4, bool: 1 };
const QUANTIZED: { [dtype: string]: number } = { float16: 2, uint8: 1, uint16: 2 };

/**
 * An entry of a manifest that names a weight of a layers model.
 *
 * @throws UnusableInput with a plain sentence for anything else.
 */
export function checkedSpec(modelPath: string, spec: unknown): io.WeightsManifestEntry {
  const { name, shape, dtype, quantization } = isJsonObject(spec) ? spec : {};
  const wrong = (what: string, got: unknown) =>
    new UnusableInput(`Expected ${what} in the \`weightsManifest\` of ${modelPath}, got ${shown(got)}.`);
  if (typeof name !== 'string' || name === '' || name in Object.prototype) throw wrong('a name for each weight', name);
  if (!Array.isArray(shape) || !shape.every(isSize)) throw wrong(`a shape of whole numbers for ${shown(name)}`, shape);
  if (typeof dtype !== 'string' || !Object.hasOwn(BYTES, dtype)) {
    throw wrong(`${Object.keys(BYTES).join(', ')} as the dtype of ${shown(name)}`, dtype);
  }
  if (quantization === undefined) return { name, shape, dtype: dtype as 'float32' };
  if (!isJsonObject(quantization)) throw wrong(`an object as the quantization of ${shown(name)}`, quantization);
  const { dtype: stored, scale, min } = quantization;
  if (typeof stored !== 'string' || !Object.hasOwn(QUANTIZED, stored)) {
    throw wrong(`${Object.keys(QUANTIZED).join(', ')} as the quantization of ${shown(name)}`, stored);
  }
  if (stored !== 'float16' && ![scale, min].every(Number.isFinite)) {
    throw wrong(`numbers as \`scale\` and \`min\` of ${shown(name)}`, quantization);
  }
  return { name, shape, dtype: dtype as 'float32', quantization: quantization as never };
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** How many values a weight has. */
export const elements = ({ shape }: { shape: readonly number[] }): number =>
  shape.reduce((product, size) => product * size, 1);

/** How many bytes a weight takes in its file. */
export const byteLength = (spec: io.WeightsManifestEntry): number =>
  elements(spec) * (spec.quantization ? QUANTIZED[spec.quantization.dtype]! : BYTES[spec.dtype]!);
