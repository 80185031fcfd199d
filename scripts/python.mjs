import path from 'node:path';
import { run } from './helpers.mjs';
import { cacheFolder, say, withLock } from './setup/cache.mjs';

/** The path of a Python that has the packages of a requirements file, in an environment that is kept in the cache. */
export async function pythonWith(requirements) {
  const folder = path.join(cacheFolder(), `python-${requirements.replaceAll('/', '-')}`);
  const python = path.join(folder, ...(process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']));
  say(`pip installs what is missing of ${requirements}`);
  await withLock(async () => {
    await run('python3', ['-m', 'venv', folder]);
    const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--only-binary=:all:', '--quiet'];
    await run(python, [...pip, '--requirement', requirements]);
  });
  return python;
}
