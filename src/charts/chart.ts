import { oneOf } from '../util/arguments.js';
/**
 * The colours of every chart here, for a page that draws more. Colour says which part of the loss it is, and not whether it
 * is training or validation. The total has the colour of the text.
 *
 * Each has a contrast of at least 3:1 on white and light greys and on blacks and dark greys, as WCAG 2.2 wants of graphics
 * (success criterion 1.4.11), so one palette serves both schemes.
 */
export const lossColors = {
  /** The data loss. */
  data: '#0081e7',
  /** The regularization loss. */
  regularization: '#d2600c',
  /** What the data loss or the regularization loss is made of, in order: outputs, loss terms, layers, weights. */
  parts: ['#059488', '#d3329d', '#8851eb', '#977e0d', '#df1e39', '#4d9501', '#1195b4'],
  /** What is left over where there are more of those than colours. */
  others: '#7c828a',
} as const;

/** How a part of the loss looks in every chart, with a shape that tells it apart without colour. */
export interface Look {
  /** `undefined` for the colour of the text. */
  color: string | undefined;
  /** The outline of the part's markers around 0, 0, as the rest of an SVG path's `d`. */
  shape: string;
}

const CIRCLE = 'm-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z';
const SHAPES = [
  'm0-4.5l4.5 4.5l-4.5 4.5l-4.5-4.5z',
  'm-4-3.5h8l-4 7.5z',
  'm-1.3-4h2.6v2.7h2.7v2.6h-2.7v2.7h-2.6v-2.7h-2.7v-2.6h2.7z',
  'm-4.5-2h9v4h-9z',
  'm0-4.8l4.6 3.4l-1.8 5.4h-5.6l-1.8-5.4z',
  'm-2-4.5h4v9h-4z',
  'm0-5l1.4 3.6l3.6 1.4l-3.6 1.4l-1.4 3.6l-1.4-3.6l-3.6-1.4l3.6-1.4z',
];

/** The looks of what every training has; metrics, which are no part of the loss, look like the total. */
export const TOTAL: Look = { color: undefined, shape: CIRCLE };
export const DATA: Look = { color: lossColors.data, shape: 'm-3.5-3.5h7v7h-7z' };
export const REGULARIZATION: Look = { color: lossColors.regularization, shape: 'm0-4.5l4.5 7.5h-9z' };
export const OTHERS: Look = { color: lossColors.others, shape: CIRCLE };

/** The looks of further parts, in their order. */
export const PARTS: readonly Look[] = lossColors.parts.map((color, index) => ({ color, shape: SHAPES[index]! }));

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
export const SCALE = oneOf('linear', 'log', 'auto');
