/** The number after `--name` on the command line, if there is one. */
export function numberArgument(name: string): number | undefined {
  const place = process.argv.indexOf(`--${name}`);
  return place === -1 ? undefined : Number(process.argv[place + 1]);
}

/** Runs an example that was started as a program, but not one that a test imports. */
export function runIfMain(file: NodeJS.Module, main: () => Promise<unknown>): void {
  if (require.main !== file) return;
  main().catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
}
