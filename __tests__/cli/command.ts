import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as tfjs from '@tensorflow/tfjs';
import { main } from '../../src/cli/main';
import { tf } from '../helpers/backend';

export interface Run {
  code: number;
  out: string;
  err: string;
}

/** The command, as a program would call it. */
export async function run(...argv: string[]): Promise<Run> {
  let [out, err] = ['', ''];
  const code = await main(argv, { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err };
}

/** A folder for each test, and the path of a model.json in it. */
export function temporaryModel(): { folder: string; path: string; write(content: unknown): void } {
  const model = { folder: '', path: '', write: (content: unknown) => writeFileSync(model.path, textOf(content)) };
  beforeEach(() => {
    model.folder = mkdtempSync(join(tmpdir(), 'audit-'));
    model.path = join(model.folder, 'model.json');
  });
  afterEach(() => rmSync(model.folder, { recursive: true }));
  return model;
}

const textOf = (content: unknown): string | Uint8Array =>
  typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content);

/** What `save` writes into a model.json. */
export interface Saved {
  modelTopology: object;
  weightsManifest: object[];
  trainingConfig?: object;
}

/** The model.json as `model.save('file://…')` of tfjs-node writes it. */
export async function saved(model: tfjs.LayersModel, args: tfjs.io.SaveConfig = {}): Promise<Saved> {
  let made: tfjs.io.ModelArtifacts = {};
  const handler = tf.io.withSaveHandler(async (artifacts) => {
    made = artifacts;
    return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
  });
  await model.save(handler, args);
  const weightsManifest = [{ paths: ['weights.bin'], weights: made.weightSpecs }];
  return JSON.parse(JSON.stringify({ ...made, weightData: undefined, weightsManifest })) as Saved;
}

/** One sentence that says what was expected and what came, and nothing of the code. */
export function expectSentence({ code, out, err }: Readonly<Run>): void {
  expect({ code, out, err }).toEqual({ code: 2, out: '', err: expect.stringMatching(/^Expected .*[.?]\n$/) });
  expect(err).not.toMatch(/\n\s+at |TypeError|is not a function|is not iterable|Cannot (read|convert)|call stack/);
  expect(err.length).toBeLessThan(1000);
}
