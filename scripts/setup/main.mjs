import { cacheFolder } from './cache.mjs';
import { installDependencies, reasonToInstall } from './dependencies.mjs';
import { withLock } from './lock.mjs';
import { say } from './report.mjs';
import { readStamp, tfjsNodeVersion } from './stamp.cjs';
import { setUpTfjsNode } from './tfjs-node.mjs';

const required = process.env.CI_REQUIRE_TFJS_NODE === '1';

function notice({ failures }) {
  return [
    'tfjs-node does not work here; tests and examples run on the slower CPU backend.',
    ...failures.map((failure) => `  - ${failure}`),
    'What helps: a network that reaches what tfjs-node downloads, or, on Linux x64, Python 3 with pip and g++.',
    'Then run `npm run setup` again.',
  ].join('\n');
}

/**
 * Brings the checkout to where everything runs. Cheap when it is there already.
 *
 * @param {{ ifNeeded: boolean }} options - `ifNeeded` takes an earlier failure to get tfjs-node for granted.
 * @returns {Promise<number>} The exit code.
 */
export async function setUp({ ifNeeded }) {
  if (reasonToInstall() === undefined) {
    const known = readStamp();
    if (known?.usable) {
      console.error(`set-up: all in place (tfjs-node ${tfjsNodeVersion()} with TensorFlow ${known.tensorflow})`);
      return 0;
    }
    if (known !== undefined && ifNeeded && !required) {
      console.error('set-up: all in place but tfjs-node; the slower CPU backend is used (`npm run setup` tries again)');
      return 0;
    }
  }
  const finding = await withLock(await cacheFolder(), async () => {
    await installDependencies();
    return setUpTfjsNode();
  });
  if (finding.usable) {
    say(`Ready: tfjs-node ${tfjsNodeVersion()} with TensorFlow ${finding.tensorflow}`);
    return 0;
  }
  console.error(notice(finding));
  if (required) console.error('CI_REQUIRE_TFJS_NODE=1 asks for tfjs-node, so this is an error.');
  return required ? 1 : 0;
}
