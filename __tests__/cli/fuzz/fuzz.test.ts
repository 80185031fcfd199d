import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { audited } from './audited';
import { mutatedFile, type Json } from './mutations';
import keras2 from '../../fixtures/keras-json/keras-2.json';
import keras3 from '../../fixtures/keras-json/keras-3.json';

/** `npm run fuzz` tries more. */
const COUNT = Number(process.env['FUZZ_FILES'] ?? 200);

const models = [...Object.values(keras2), keras3].flatMap((topology) => {
  const modelTopology = topology as unknown as Json;
  return [modelTopology, { format: 'layers-model', modelTopology, weightsManifest: [] }];
});

it(`each of ${COUNT} broken files ends with a report or a sentence, in time and memory`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fuzz-'));
  const files = fc.sample(mutatedFile(models), COUNT).map((content, index) => {
    const file = join(folder, String(index));
    writeFileSync(file, content);
    return file;
  });
  // The files stay where one of them gets through.
  expect((await audited(files)).flatMap(complaints)).toEqual([]);
  rmSync(folder, { recursive: true });
}, 1_800_000);

function complaints(ending: Awaited<ReturnType<typeof audited>>[number]): string[] {
  if ('why' in ending) return [`${ending.file}: ${ending.why}`];
  const { file, code, out, err, milliseconds, megabytes } = ending;
  return Object.entries({
    'an exit code of 0, 1 or 2': [0, 1, 2].includes(code),
    'a report or a sentence, not both': code === 2 ? out === '' : err === '' && out !== '',
    'one sentence': code !== 2 || (/^Expected .*[.?]\n$/.test(err) && err.length < 1000),
    'a sentence about the file, not the program': !/\[object |TypeError|is not a function|not iterable/.test(err),
    'no character that a terminal acts on': !/[^\P{C}\n]|[\p{Zl}\p{Zp}]/u.test(out + err),
    'JSON that parses': code === 2 || file.endsWith('7') || isReport(out),
    'an end within 5 s': milliseconds < 5000,
    'at most 500 MB': megabytes < 500,
  }).flatMap(([what, holds]) =>
    holds ? [] : [`${file}: expected ${what}, got ${code}, ${milliseconds} ms, ${megabytes} MB, ${err}${out}`],
  );
}

function isReport(text: string): boolean {
  const { findings, warnings, information } = JSON.parse(text) as {
    findings: unknown[];
    warnings: number;
    information: number;
  };
  return findings.length === warnings + information;
}
