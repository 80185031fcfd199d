/** How many digits the page trains on, and how many it validates on. */
export const TRAINING = 1000;
export const VALIDATION = 250;

/** The pixels of a digit. */
export const PIXELS = 28 * 28;
