const fs = require('node:fs');
const path = require('node:path');

const root = path.resolve(__dirname, '../..');
const packageFolder = path.join(root, 'node_modules', '@tensorflow', 'tfjs-node');
/** The folders, inside the package, that tfjs-node's binding and TensorFlow's libraries live in. */
const binaryFolders = ['lib', path.join('deps', 'lib')];
const stampFile = path.join(root, 'node_modules', '.tfjs-node-setup.json');

function tfjsNodeVersion() {
  return JSON.parse(fs.readFileSync(path.join(packageFolder, 'package.json'), 'utf8')).version;
}

/** The paths of the binding and its libraries, relative to `folder`: files and links, no folders. */
function binaryFiles(folder = packageFolder) {
  return binaryFolders
    .filter((name) => fs.existsSync(path.join(folder, name)))
    .flatMap((name) =>
      fs.readdirSync(path.join(folder, name), { recursive: true }).map((file) => path.join(name, file)),
    )
    .filter((file) => !fs.lstatSync(path.join(folder, file)).isDirectory())
    .sort();
}

/** What must stay as it is for a set-up's finding to hold. */
function circumstances() {
  const files = binaryFiles().map((file) => {
    const stat = fs.statSync(path.join(packageFolder, file), { throwIfNoEntry: false });
    return [file, stat?.size, stat?.mtimeMs];
  });
  return JSON.stringify({ version: tfjsNodeVersion(), platform: process.platform, arch: process.arch, files });
}

/**
 * Writes down what the set-up found, and returns it.
 *
 * @param {{ usable: true, tensorflow: string } | { usable: false, failures: string[] }} finding
 */
function writeStamp(finding) {
  const unfinished = `${stampFile}.${process.pid}`;
  fs.writeFileSync(unfinished, JSON.stringify({ ...finding, circumstances: circumstances() }));
  fs.renameSync(unfinished, stampFile);
  return finding;
}

/** The last finding, or undefined if there is none or if what it was about has changed since. */
function readStamp() {
  try {
    const stamp = JSON.parse(fs.readFileSync(stampFile, 'utf8'));
    return stamp.circumstances === circumstances() ? stamp : undefined;
  } catch {
    return undefined;
  }
}

module.exports = { binaryFiles, packageFolder, readStamp, root, tfjsNodeVersion, writeStamp };
