const started = performance.now();

/** Prints a line with the seconds since the start. On stderr, so that a script's result can be alone on stdout. */
export function say(text) {
  console.error(`set-up ${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${text}`);
}

/** Says what is being done, does it, and gives a sign of life every 15 seconds until it is done. */
export async function step(text, work) {
  say(text);
  const timer = setInterval(() => say('… still at it'), 15_000);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
