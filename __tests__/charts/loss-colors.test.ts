import { lossColors, plotLosses } from 'tfjs-decomposed-loss/charts';

/** The relative luminance of sRGB, and the contrast ratio, by WCAG 2.2. */
function luminance(color: string): number {
  const [red, green, blue] = [1, 3, 5]
    .map((start) => parseInt(color.slice(start, start + 2), 16) / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
function contrast(one: string, other: string): number {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

const { parts, ...named } = lossColors;
const colors = [...Object.values(named), ...parts];
const long = (color: string) => color.replace(/^#(.)(.)(.)$/, '#$1$1$2$2$3$3');

it('measures contrast as WCAG does', () => {
  expect(contrast('#000000', '#ffffff')).toBeNear(21, 1e-12);
  expect(contrast('#777777', '#ffffff')).toBeNear(4.48, 1e-2);
});

it.each(['#ffffff', '#f4f6f9', '#000000', '#101418', '#1a1a19', '#1a2027'])('has 3:1 on %s', (background) => {
  colors.forEach((color) => expect(contrast(color, background)).toBeGreaterThanOrEqual(3));
});

it('has 3:1 for lines and markers, and 4.5:1 for text, on the background of each scheme of a picture', () => {
  const svg = plotLosses({ loss: [1], data_loss: [1], regularization_loss: [0] });
  const schemes = svg.split('@media(prefers-color-scheme:dark)');
  expect(schemes).toHaveLength(2);
  for (const style of schemes) {
    const colorOf = (rule: string) => long(new RegExp(`\\.tdl${rule}:(#[0-9a-f]+)`).exec(style)![1]!);
    const background = colorOf(' \\.b\\{fill');
    colors.forEach((color) => expect(contrast(color, background)).toBeGreaterThanOrEqual(3));
    [colorOf('\\{color'), colorOf(' \\.t\\{fill'), colorOf(' \\.m\\{fill')].forEach((color) =>
      expect(contrast(color, background)).toBeGreaterThanOrEqual(4.5),
    );
    expect(colorOf(' \\.h\\{stroke')).toBe(background);
  }
});

it('has no color twice', () => expect(new Set(colors).size).toBe(colors.length));
