// Nothing is imported statically here: an old Node would stop at the syntax of the rest before its age is checked.
const usage = 'Usage: node scripts/setup.mjs [--if-needed]';
const args = process.argv.slice(2);
const unknown = args.find((arg) => arg !== '--if-needed');

function fail(message) {
  console.error(message);
  process.exitCode = 1;
}

if (Number(process.versions.node.split('.')[0]) < 20) {
  fail(`Expected Node 20 or later, got ${process.versions.node}. Install a newer Node and run this again.`);
} else if (unknown !== undefined) {
  fail(`Expected no argument or --if-needed, got \`${unknown}\`. ${usage}`);
} else {
  import('./setup/main.mjs')
    .then(({ setUp }) => setUp({ ifNeeded: args.includes('--if-needed') }))
    .then((code) => (process.exitCode = code))
    .catch((error) => fail(error.message));
}
