/**
 * The one way in which this library changes a member of a host object, and restores it.
 *
 * A changed method has ranked layers around the original: they keep the order of their ranks, whoever comes and goes first.
 * The ESM and the CommonJS build of this library, or a bundle of it, can meet on one object: they share its layers.
 */

/** What all copies of this library in one program have in common. */
export function shared<T>(name: string, make: () => T): T {
  const registry = globalThis as unknown as { [key: symbol]: T | undefined };
  return (registry[Symbol.for(`tfjs-decomposed-loss/1/${name}`)] ??= make());
}

/** From the inside out: what replaces or extends an update, what the penalties are, who watches. */
export const RANK = { update: 0, penalties: 1, watch: 2 } as const;

type Rank = (typeof RANK)[keyof typeof RANK];

type Method = (this: unknown, ...args: never[]) => unknown;

interface PatchedMethod {
  original: Method;
  before: PropertyDescriptor | undefined;
  layers: Array<{ rank: Rank; around: (inner: Method) => Method }>;
  /** The original with all layers around it. */
  layered: Method;
}

/** What is put around a method: called with its `this`, the method as the layers of lower ranks make it, and the arguments. */
type Around<T, M> = M extends (...args: infer A) => infer R
  ? (this: T, inner: (...args: A) => R, ...args: A) => R
  : never;

/** By the function that replaced the original: it stays the same while layers come and go. */
const patched = shared('patched', () => new WeakMap<Method, PatchedMethod>());

/**
 * Puts a layer around a method of one object.
 *
 * @param target - The object, whose own member the method becomes.
 * @returns Removes the layer; a second call does nothing. After the last layer the member is as it was, unless something
 *   else replaced it since: that stays, and what it kept of ours calls the original.
 */
export function patch<T extends object, K extends keyof T>(
  target: T,
  member: K,
  rank: Rank,
  around: Around<T, T[K]>,
): () => void {
  const found = target[member] as Method;
  const method = (Object.hasOwn(target, member) ? patched.get(found) : undefined) ?? replace(target, member, found);
  const layer = { rank, around: layerOf(around as unknown as Around<unknown, Method>) };
  method.layers.push(layer);
  compose(method);
  return () => {
    if (!method.layers.includes(layer)) return;
    method.layers.splice(method.layers.indexOf(layer), 1);
    compose(method);
    const current = Object.getOwnPropertyDescriptor(target, member)?.value as Method;
    if (method.layers.length === 0 && patched.get(current) === method) restore(target, member, method.before);
  };
}

const layerOf =
  (around: Around<unknown, Method>) =>
  (inner: Method): Method =>
    function (...args) {
      return around.call(this, (...given) => inner.apply(this, given), ...args);
    };

/** Whether a method has a layer of a rank. */
export const isPatched = (method: unknown, rank: Rank): boolean =>
  patched.get(method as Method)?.layers.some((layer) => layer.rank === rank) ?? false;

/** A method without the layers of this library: on the object and, where it inherits the method, on its class. */
export function unpatched<M>(method: M): M {
  const found = patched.get(method as Method);
  return found ? unpatched(found.original as M) : method;
}

function replace(target: object, member: PropertyKey, original: Method): PatchedMethod {
  const before = Object.getOwnPropertyDescriptor(target, member);
  const method: PatchedMethod = { original, before, layers: [], layered: original };
  const replacement: Method = function (...args) {
    return method.layered.apply(this, args);
  };
  patched.set(replacement, method);
  Reflect.set(target, member, replacement);
  return method;
}

function compose(method: PatchedMethod): void {
  const ordered = [...method.layers].sort((a, b) => a.rank - b.rank);
  method.layered = ordered.reduce((inner, { around }) => around(inner), method.original);
}

function restore(target: object, member: PropertyKey, before: PropertyDescriptor | undefined): void {
  if (before === undefined) Reflect.deleteProperty(target, member);
  else Object.defineProperty(target, member, before);
}

interface WatchedMember {
  listeners: Set<(value: unknown) => void>;
  /** The accessors that something else had defined, which are kept inside of ours. */
  before: PropertyDescriptor | undefined;
}

/** By the getter that replaced the member. */
const watched = shared('watched', () => new WeakMap<() => unknown, WatchedMember>());

/**
 * Calls a listener after each assignment to a member of one object, which keeps its value. All listeners are called, also where
 * one of them throws.
 *
 * @returns Stops listening; a second call does nothing. After the last listener the member is an ordinary one again, unless
 *   something else redefined it since: that stays.
 */
export function onAssign<T extends object, K extends keyof T>(
  target: T,
  member: K,
  listener: (value: T[K]) => void,
): () => void {
  const found = watchedMember(target, member) ?? watchMember(target, member);
  // A function for each call, in case one listener listens twice.
  const own = (value: unknown): void => listener(value as T[K]);
  found.listeners.add(own);
  return () => {
    if (!found.listeners.delete(own) || found.listeners.size > 0) return;
    if (watchedMember(target, member) !== found) return;
    const ordinary = { configurable: true, enumerable: true, writable: true, value: target[member] };
    Object.defineProperty(target, member, found.before ?? ordinary);
  };
}

function watchedMember(target: object, member: PropertyKey): WatchedMember | undefined {
  const get = Object.getOwnPropertyDescriptor(target, member)?.get;
  return get && watched.get(get);
}

function watchMember(target: object, member: PropertyKey): WatchedMember {
  const own = Object.getOwnPropertyDescriptor(target, member);
  const found: WatchedMember = { listeners: new Set(), before: own?.get && own };
  let current: unknown = Reflect.get(target, member);
  const get = (): unknown => (found.before ? found.before.get!.call(target) : current);
  const set = (value: unknown): void => {
    current = value;
    found.before?.set?.call(target, value);
    callAll(found.listeners, value);
  };
  watched.set(get, found);
  Object.defineProperty(target, member, { configurable: true, enumerable: true, get, set });
  return found;
}

function callAll(listeners: Iterable<(value: unknown) => void>, value: unknown): void {
  const errors: unknown[] = [];
  for (const listener of [...listeners]) {
    try {
      listener(value);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

/**
 * Calls a listener with the object on which a member is looked up, until released. Nothing else may change the member meanwhile.
 *
 * @param target - The object that has the member itself; where it cannot be changed, nobody is told.
 */
export function onLookUp<T extends object>(target: T, member: keyof T, listener: (object: T) => void): () => void {
  const before = Object.getOwnPropertyDescriptor(target, member)!;
  Reflect.defineProperty(target, member, {
    configurable: true,
    enumerable: before.enumerable === true,
    get(this: T) {
      listener(this);
      return before.get ? (before.get.call(this) as unknown) : (before.value as unknown);
    },
  });
  return () => void Object.defineProperty(target, member, before);
}
