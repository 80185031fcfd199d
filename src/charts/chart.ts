import type { Look } from './palette.js';

/** One value a row, which is an epoch or a batch; `undefined` where a row has none. */
export type Values = ReadonlyArray<number | undefined>;

/** A curve, or an area of a stack. */
export interface Series {
  name: string;
  look: Look;
  /** Of the line, in pixels: a sum is wider than what it is made of, and so shows at both sides of it. */
  width: number;
  /** Dashed, with hollow markers. */
  isValidation: boolean;
  values: Values;
}

/** Something that happened between two rows, in words: the learning rate was lowered, or L2 raised. */
export interface Mark {
  /** How many rows there were. */
  after: number;
  text: string;
}

/** What one chart shows, however it is drawn. */
export interface Chart {
  /** What it shows, for a caption. */
  title: string;
  /** Lines, or areas on one another, the first at the bottom. */
  kind: 'lines' | 'stack';
  /** What a row is. */
  unit: 'epoch' | 'batch';
  /** The number of each row, ascending. */
  rows: readonly number[];
  /** What the values are, for the axis. */
  quantity: string;
  series: readonly Series[];
  /** What is not shown. */
  note: string;
  marks: readonly Mark[];
}

/** How the values of lines are spread over the height. */
export type ScaleName = 'linear' | 'log' | 'auto';
export const SCALES: readonly unknown[] = ['linear', 'log', 'auto'] satisfies ScaleName[];
