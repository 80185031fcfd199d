if (Number(process.versions.node.split('.')[0]) < 20) {
  console.error(`Expected Node 20 or later, got ${process.versions.node}. Install a newer Node and run this again.`);
  process.exit(1);
}
// Not a static import: an old Node would stop at the syntax of it before its version is checked.
await import('./setup/main.mjs');
