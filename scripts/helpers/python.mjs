import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder, unfinishedFolder } from '../setup/cache.mjs';
import { withLock } from '../setup/lock.mjs';
import { step } from '../setup/report.mjs';
import { run } from '../setup/run.mjs';

const binary = process.platform === 'win32' ? path.join('Scripts', 'python.exe') : path.join('bin', 'python');

/**
 * The path of a Python that has the packages of a requirements file: an environment of its own, kept in the cache.
 *
 * Call its programs as `python -m …`: an environment is renamed once it is complete, and pip's scripts know their first
 * place only.
 *
 * @param {string} name - Of the folder in the cache; the version of Python and a fingerprint of the file are added.
 * @param {string} requirements - The path of the file.
 */
export async function pythonWith(name, requirements) {
  const version = (await run('python3', ['-c', 'import platform; print(platform.python_version())'])).trim();
  const fingerprint = createHash('sha256')
    .update(await fs.readFile(requirements))
    .digest('hex')
    .slice(0, 12);
  const cache = await cacheFolder();
  const folder = path.join(cache, `${name}-${fingerprint}-python-${version}-${process.platform}-${process.arch}`);
  const python = path.join(folder, binary);
  return withLock(cache, async () => {
    if (await works(python)) return python;
    const unfinished = await unfinishedFolder();
    try {
      await step(`${name}: installing ${path.basename(requirements)} with pip for Python ${version}`, async () => {
        await run('python3', ['-m', 'venv', unfinished]);
        const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--only-binary=:all:'];
        await run(path.join(unfinished, binary), [...pip, '--requirement', requirements]);
      });
      await fs.rm(folder, { recursive: true, force: true });
      await fs.rename(unfinished, folder);
    } finally {
      await fs.rm(unfinished, { recursive: true, force: true });
    }
    return python;
  });
}

const works = (python) =>
  run(python, ['--version']).then(
    () => true,
    () => false,
  );
