/** The one way in which members of host objects are changed and restored, by one build of this library or by two. */
import * as ours from '../../src/host/patch';
import { secondCopy } from '../helpers/second-copy';

const { RANK } = ours;
const theirs = secondCopy('../../src/host/patch') as typeof ours;

/** The ESM and the CommonJS build of this library, or a bundle of it, in one program. */
const builds = { ours, theirs };

class Host {
  say(word: string): string {
    return word;
  }
}

type Say = Host['say'];

/** A layer that puts a name around what the layers inside of it say. */
const named =
  (name: string) =>
  (inner: Say, word: string): string =>
    `${name}(${inner(word)})`;

const descriptor = (object: object) => Object.getOwnPropertyDescriptor(object, 'say');

function permutations<T>(values: readonly T[]): T[][] {
  if (values.length === 0) return [[]];
  return values.flatMap((value) =>
    permutations(values.filter((other) => other !== value)).map((rest) => [value, ...rest]),
  );
}

it('knows that the second copy is another one', () => {
  expect(theirs.patch).not.toBe(ours.patch);
  expect(theirs.RANK).toEqual(RANK);
});

describe('layers around a method', () => {
  const layers = [
    { name: 'update', rank: RANK.update, build: ours },
    { name: 'penalties', rank: RANK.penalties, build: theirs },
    { name: 'watch', rank: RANK.watch, build: ours },
  ];

  it.each(permutations([0, 1, 2]))('keep the order of their ranks, whoever comes first: %i, %i, %i', (...coming) => {
    for (const going of permutations([0, 1, 2])) {
      const host = new Host();
      const releases = new Map(
        coming.map((place) => {
          const { name, rank, build } = layers[place]!;
          return [place, build.patch(host, 'say', rank, named(name))];
        }),
      );
      const left = new Set([0, 1, 2]);
      const expected = () =>
        layers.reduce((word, { name }, place) => (left.has(place) ? `${name}(${word})` : word), 'a');
      expect(host.say('a')).toBe('watch(penalties(update(a)))');
      for (const place of going) {
        releases.get(place)!();
        left.delete(place);
        expect(host.say('a')).toBe(expected());
      }
      expect(descriptor(host)).toBeUndefined();
    }
  });

  it.each(Object.entries(builds))('of one rank are in the order in which they came (second: %s)', (_, { patch }) => {
    const host = new Host();
    const first = ours.patch(host, 'say', RANK.watch, named('first'));
    const second = patch(host, 'say', RANK.watch, named('second'));
    expect(host.say('a')).toBe('second(first(a))');
    first();
    expect(host.say('a')).toBe('second(a)');
    second();
    expect(descriptor(host)).toBeUndefined();
  });

  it('are called with the object, and see what is assigned to it', () => {
    const host = Object.assign(new Host(), { prefix: 'x' });
    const release = ours.patch(host, 'say', RANK.watch, function (inner, word) {
      return this.prefix + inner(word);
    });
    host.prefix = 'y';
    expect(host.say('a')).toBe('ya');
    release();
  });

  it('are released once: a second call changes nothing, also after a new layer', () => {
    const host = new Host();
    const release = ours.patch(host, 'say', RANK.watch, named('first'));
    release();
    release();
    expect(descriptor(host)).toBeUndefined();
    const other = theirs.patch(host, 'say', RANK.watch, named('second'));
    release();
    expect(host.say('a')).toBe('second(a)');
    const third = ours.patch(host, 'say', RANK.watch, named('third'));
    other();
    other();
    expect(host.say('a')).toBe('third(a)');
    third();
    expect(descriptor(host)).toBeUndefined();
  });

  it('may come and go while the method runs', () => {
    const host = new Host();
    const releases: Array<() => void> = [];
    releases.push(
      ours.patch(host, 'say', RANK.watch, (inner, word) => {
        releases.push(ours.patch(host, 'say', RANK.penalties, named('penalties')));
        return inner(word);
      }),
    );
    expect(host.say('a')).toBe('a');
    releases.shift()!();
    expect(host.say('a')).toBe('penalties(a)');
    releases.forEach((release) => release());
    expect(descriptor(host)).toBeUndefined();
  });

  it('leave a member of the object itself as it was, attributes included', () => {
    const host = new Host();
    const before = { value: (word: string) => `own ${word}`, configurable: true, enumerable: false, writable: true };
    Object.defineProperty(host, 'say', before);
    const release = ours.patch(host, 'say', RANK.watch, named('watch'));
    expect(host.say('a')).toBe('watch(own a)');
    expect(Object.keys(host)).toEqual([]);
    release();
    expect(descriptor(host)).toEqual(before);
  });

  it('of an element of an array leave the array as it was', () => {
    const [one, other] = [(word: string) => `1${word}`, (word: string) => `2${word}`];
    const losses = [one, other];
    const release = ours.patch(losses, 0, RANK.watch, named('watch'));
    expect(losses.map((loss) => loss('a'))).toEqual(['watch(1a)', '2a']);
    release();
    expect(losses).toEqual([one, other]);
  });
});

describe('a layer on a prototype and one on an instance', () => {
  class Own extends Host {}
  const original = descriptor(Host.prototype);

  it.each([
    ['the prototype first', [0, 1]],
    ['the instance first', [1, 0]],
  ])('are both there, and go in any order: %s', (_, going) => {
    const [host, other] = [new Own(), new Own()];
    const releases = [
      ours.patch(Host.prototype, 'say', RANK.watch, named('prototype')),
      theirs.patch(host, 'say', RANK.penalties, named('instance')),
    ];
    expect(host.say('a')).toBe('instance(prototype(a))');
    expect(other.say('a')).toBe('prototype(a)');
    releases[going[0]!]!();
    expect(host.say('a')).toBe(going[0] === 0 ? 'instance(a)' : 'prototype(a)');
    releases[going[1]!]!();
    expect([host.say('a'), other.say('a')]).toEqual(['a', 'a']);
    expect(descriptor(host)).toBeUndefined();
    expect(descriptor(Host.prototype)).toEqual(original);
  });
});

describe('what something else puts in the place of the member', () => {
  const foreign =
    (inner: Say): Say =>
    (word) =>
      named('foreign')(inner, word);

  it('stays after the layer is released, and then leads to the original', () => {
    const host = new Host();
    const release = ours.patch(host, 'say', RANK.watch, named('watch'));
    const replacement = foreign(host.say.bind(host));
    host.say = replacement;
    expect(host.say('a')).toBe('foreign(watch(a))');
    release();
    expect(host.say).toBe(replacement);
    expect(host.say('a')).toBe('foreign(a)');
  });

  it('and restores later is the original again, for the next layer too', () => {
    const host = new Host();
    const release = ours.patch(host, 'say', RANK.watch, named('watch'));
    const replaced = host.say;
    host.say = foreign(replaced);
    release();
    host.say = replaced;
    expect(host.say('a')).toBe('a');
    expect(ours.isPatched(host.say, RANK.watch)).toBe(false);
    const again = theirs.patch(host, 'say', RANK.watch, named('again'));
    expect(host.say('a')).toBe('again(a)');
    again();
    expect(descriptor(host)).toBeUndefined();
  });

  it('has a layer of its own around it, which goes before or after it', () => {
    for (const isFirst of [true, false]) {
      const host = new Host();
      const inner = ours.patch(host, 'say', RANK.watch, named('inner'));
      const replacement = foreign(host.say.bind(host));
      host.say = replacement;
      const outer = theirs.patch(host, 'say', RANK.penalties, named('outer'));
      expect(host.say('a')).toBe('outer(foreign(inner(a)))');
      (isFirst ? inner : outer)();
      expect(host.say('a')).toBe(isFirst ? 'outer(foreign(a))' : 'foreign(inner(a))');
      (isFirst ? outer : inner)();
      expect(host.say).toBe(replacement);
      expect(host.say('a')).toBe('foreign(a)');
    }
  });
});

describe('a patched method', () => {
  it('tells its ranks and its original to every build', () => {
    const host = new Host();
    const { say } = host;
    expect(ours.isPatched(host.say, RANK.penalties)).toBe(false);
    const release = theirs.patch(host, 'say', RANK.penalties, named('penalties'));
    for (const { isPatched, unpatched } of Object.values(builds)) {
      expect([isPatched(host.say, RANK.penalties), isPatched(host.say, RANK.watch)]).toEqual([true, false]);
      expect(unpatched(host.say)).toBe(say);
      expect(unpatched(say)).toBe(say);
    }
    release();
    expect(ours.isPatched(host.say, RANK.penalties)).toBe(false);
  });
});

describe('onAssign', () => {
  const own = (object: object) => Object.getOwnPropertyDescriptor(object, 'value');
  const ordinary = (value: number) => ({ value, configurable: true, enumerable: true, writable: true });

  it.each([
    ['in the order in which they came', [0, 1]],
    ['in the other order', [1, 0]],
  ])('tells the listeners of two builds, which go %s', (_, going) => {
    const host = { value: 1 };
    const told: string[] = [];
    const releases = Object.entries(builds).map(([name, { onAssign }]) =>
      onAssign(host, 'value', (value) => void told.push(`${name} ${value}`)),
    );
    host.value = 2;
    expect(told.splice(0)).toEqual(['ours 2', 'theirs 2']);
    expect([host.value, Object.keys(host)]).toEqual([2, ['value']]);
    releases[going[0]!]!();
    releases[going[0]!]!();
    host.value = 3;
    expect(told.splice(0)).toEqual([going[0] === 0 ? 'theirs 3' : 'ours 3']);
    releases[going[1]!]!();
    expect(own(host)).toEqual(ordinary(3));
    host.value = 4;
    expect(told).toEqual([]);
  });

  it('tells a listener that goes while it is told, and the others', () => {
    const host = { value: 1 };
    const told: string[] = [];
    const release = ours.onAssign(host, 'value', () => {
      release();
      told.push('once');
    });
    const other = ours.onAssign(host, 'value', () => void told.push('other'));
    host.value = 2;
    host.value = 3;
    expect(told).toEqual(['once', 'other', 'other']);
    other();
    expect(own(host)).toEqual(ordinary(3));
  });

  it('tells all listeners where one throws, and then throws', () => {
    const host = { value: 1 };
    const told: number[] = [];
    ours.onAssign(host, 'value', () => {
      throw new Error('the listener failed');
    });
    ours.onAssign(host, 'value', (value) => void told.push(value));
    expect(() => (host.value = 2)).toThrow('the listener failed');
    expect([host.value, told]).toEqual([2, [2]]);
  });

  it('leaves what something else defined in the place of the member', () => {
    const host = { value: 1 };
    const told: number[] = [];
    const release = ours.onAssign(host, 'value', (value) => void told.push(value));
    const before = own(host)!;
    Object.defineProperty(host, 'value', { configurable: true, get: () => 7, set: before.set!.bind(host) });
    host.value = 2;
    expect(told).toEqual([2]);
    release();
    expect(host.value).toBe(7);
    // Restored later, it behaves as an ordinary member, for the next listener too.
    Object.defineProperty(host, 'value', before);
    host.value = 3;
    expect([host.value, told]).toEqual([3, [2]]);
    const again = theirs.onAssign(host, 'value', (value) => void told.push(value));
    host.value = 4;
    again();
    expect([host.value, told, own(host)]).toEqual([4, [2, 4], ordinary(4)]);
  });

  it.each([
    ['first', [0, 1]],
    ['second', [1, 0]],
  ])('tells a listener on each side of what something else defined, of which the %s goes first', (_, going) => {
    const host = { value: 1 };
    const told: string[] = [];
    const inner = ours.onAssign(host, 'value', () => void told.push('inner'));
    const { get, set } = own(host)!;
    const foreign = { configurable: true, enumerable: true, get: get!.bind(host), set: set!.bind(host) };
    Object.defineProperty(host, 'value', foreign);
    const outer = theirs.onAssign(host, 'value', () => void told.push('outer'));
    host.value = 2;
    expect([host.value, told.splice(0)]).toEqual([2, ['inner', 'outer']]);
    const releases = [inner, outer];
    releases[going[0]!]!();
    host.value = 3;
    expect([host.value, told.splice(0)]).toEqual([3, [going[0] === 0 ? 'outer' : 'inner']]);
    releases[going[1]!]!();
    expect(own(host)).toEqual(foreign);
    host.value = 4;
    expect([host.value, told]).toEqual([4, []]);
  });

  it('takes a member that the object inherits, or that cannot be assigned', () => {
    const told: unknown[] = [];
    const host = Object.create({ value: 1 }) as { value: number };
    const release = ours.onAssign(host, 'value', (value) => void told.push(value));
    expect(host.value).toBe(1);
    host.value = 2;
    release();
    expect([host.value, own(host)]).toEqual([2, ordinary(2)]);

    const readOnly = { configurable: true, enumerable: false, get: () => 7 };
    const fixed = Object.defineProperty({} as { value: number }, 'value', readOnly);
    const end = ours.onAssign(fixed, 'value', (value) => void told.push(value));
    fixed.value = 3;
    expect([fixed.value, told]).toEqual([7, [2, 3]]);
    end();
    expect(own(fixed)).toMatchObject(readOnly);
  });
});

describe('onLookUp', () => {
  const own = (object: object) => Object.getOwnPropertyDescriptor(object, 'value');

  it.each([true, false])(
    'tells the object on which a member is looked up, and restores it (enumerable: %s)',
    (enumerable) => {
      const prototype = {} as { value: number };
      const before = { value: 1, configurable: true, enumerable, writable: true };
      Object.defineProperty(prototype, 'value', before);
      const host = Object.create(prototype) as typeof prototype;
      const told: unknown[] = [];
      const release = ours.onLookUp(prototype, 'value', (object) => void told.push(object));
      expect([host.value, prototype.value]).toEqual([1, 1]);
      expect([told[0] === host, told[1] === prototype, told.length]).toEqual([true, true, 2]);
      expect(own(prototype)).toMatchObject({ configurable: true, enumerable });
      release();
      expect([host.value, told.length, own(prototype)]).toEqual([1, 2, before]);
    },
  );

  it('asks an accessor for the object on which it is looked up', () => {
    const prototype = {
      name: 'prototype',
      get value() {
        return this.name;
      },
    };
    const host = Object.create(prototype, { name: { value: 'host' } }) as typeof prototype;
    const release = ours.onLookUp(prototype, 'value', () => {});
    expect([host.value, prototype.value]).toEqual(['host', 'prototype']);
    release();
    expect([host.value, prototype.value]).toEqual(['host', 'prototype']);
  });

  it('tells nobody of a member that cannot be changed', () => {
    const told: unknown[] = [];
    const fixed = Object.freeze({ value: 1 });
    const release = ours.onLookUp(fixed, 'value', (object) => void told.push(object));
    expect(fixed.value).toBe(1);
    release();
    expect([fixed.value, told]).toEqual([1, []]);
  });
});
