import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { root, run } from './helpers.mjs';
import { cacheFolder, say, withLock } from './setup/cache.mjs';

/**
 * The path of a Python that has the packages of a requirements file, in an environment that is kept in the cache.
 *
 * @param {string} requirements - The path of the file, in the repository.
 */
export async function pythonWith(requirements) {
  const version = await run('python3', ['--version'], { quiet: true });
  const hash = createHash('sha256')
    .update(version)
    .update(fs.readFileSync(path.join(root, requirements)));
  const folder = path.join(cacheFolder(), `python-${hash.digest('hex').slice(0, 12)}`);
  const python = path.join(folder, ...(process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']));
  const complete = path.join(folder, 'complete');
  await withLock(async () => {
    if (fs.existsSync(complete)) return;
    say(`installing ${requirements} with pip for ${version.trim()}`);
    await run('python3', ['-m', 'venv', '--clear', folder]);
    const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--only-binary=:all:', '--quiet'];
    await run(python, [...pip, '--requirement', requirements]);
    fs.writeFileSync(complete, '');
  });
  return python;
}
