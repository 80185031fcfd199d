import { highest, largest, stackedAreas, ticks } from '../../src/charts/stacked-areas';

const frame = { left: 10, right: 110, top: 0, bottom: 100 };
const series = [
  { name: 'a', values: [1, 2] },
  { name: 'b', values: [3, 0] },
];

it('lays areas on one another from the bottom', () => {
  expect(stackedAreas(series, frame, 4)).toEqual([
    { name: 'a', path: 'M10.0,75.0L110.0,50.0L110.0,100.0L10.0,100.0Z' },
    { name: 'b', path: 'M10.0,0.0L110.0,50.0L110.0,50.0L10.0,75.0Z' },
  ]);
});

it('draws a single epoch over the whole width', () => {
  expect(stackedAreas([{ name: 'a', values: [1] }], frame, 2)[0]!.path).toBe(
    'M10.0,50.0L110.0,50.0L110.0,100.0L10.0,100.0Z',
  );
});

it('takes what cannot be drawn for nothing', () => {
  const odd = [
    { name: 'a', values: [NaN, Infinity, -1] },
    { name: 'b', values: [1, 1, 1] },
  ];
  expect(highest(odd)).toBe(1);
  expect(stackedAreas(odd, frame, 1)[1]!.path).toMatch(/^M10\.0,0\.0L60\.0,0\.0L110\.0,0\.0L/);
  expect(highest([])).toBe(0);
  expect(stackedAreas([], frame, 1)).toEqual([]);
});

it('puts the smallest together where there are too many', () => {
  const many = [1, 5, 2, 4].map((value) => ({ name: `layer_${value}`, values: [value, 0] }));
  expect(largest(many, 3)).toEqual([
    { name: 'layer_5', values: [5, 0] },
    { name: 'layer_4', values: [4, 0] },
    { name: '2 others', values: [3, 0] },
  ]);
  expect(largest(many, 4)).toEqual(many);
});

it.each([
  [0.21, 4, [0, 0.1, 0.2, 0.3]],
  [7, 4, [0, 2, 4, 6, 8]],
  [1e-7, 4, [0, 5e-8, 1e-7]],
  [40, 4, [0, 10, 20, 30, 40]],
  [0, 4, [0, 1]],
])('marks 0 to %d in round numbers', (max, count, expected) => {
  expect(ticks(max, count)).toEqual(expected);
});
