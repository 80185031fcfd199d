import { main } from '../../examples/05-gradient-balance/main';
import { backend } from '../helpers/backend';

/** The example chooses its backend itself, and trains too much for the slower ones. */
const example = backend === 'tensorflow' ? it : it.skip;

const printed: string[] = [];

beforeEach(() => {
  jest.spyOn(console, 'log').mockImplementation((...values) => void printed.push(values.join(' ')));
});

afterEach(() => {
  jest.restoreAllMocks();
});

example('05 shows the layer that the penalty dominates, and those that the data do', async () => {
  const { first, last } = await main();
  expect([first, last].map((rows) => rows.map(({ layer }) => layer))).toEqual(Array(2).fill(['light', 'heavy', 'out']));
  const [light, heavy, out] = last as [(typeof last)[0], (typeof last)[0], (typeof last)[0]];
  expect(heavy.penalty / heavy.data).toBeGreaterThan(0.5);
  expect(heavy.cosine).toBeLessThan(-0.9);
  expect(light.penalty / light.data).toBeLessThan(0.5);
  expect(out.penalty).toBe(0);
  const all = printed.join('\n');
  expect(all).toMatch(/light .* the data dominate\n {2}heavy .* the penalty dominates\n {2}out .* no penalty/);
});
