import fs from 'node:fs';
import path from 'node:path';
import { main, readJson, root } from './helpers.mjs';

/** What only the owner of the package knows, and what npm shows or needs for a release with provenance. */
const OWNERS = ['repository', 'author', 'bugs', 'homepage'];

/** Lists what keeps the package from being published. */
await main(() => {
  const manifest = readJson('package.json');
  const changelog = fs.readFileSync(path.join(root, 'CHANGELOG.md'), 'utf8');
  const isDated = changelog
    .split('\n')
    .some((line) => /^## \[(.*)\] - \d{4}-\d{2}-\d{2}$/.exec(line)?.[1] === manifest.version);
  const missing = [
    ...OWNERS.filter((name) => manifest[name] === undefined).map((name) => `package.json: \`${name}\` is missing`),
    ...(isDated ? [] : [`CHANGELOG.md: no heading \`## [${manifest.version}] - <date>\``]),
  ];
  if (missing.length > 0) {
    throw new Error(`Expected a package that is ready to be published, got:\n- ${missing.join('\n- ')}`);
  }
  console.log(`${manifest.name} ${manifest.version} can be published`);
});
