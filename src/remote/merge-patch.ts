/**
 * JSON merge patches (RFC 7396): apply one, make the one that leads from a value to another, and name what one touches.
 * Pure. Any key of a text is a key of the result, also `__proto__`; lists are replaced whole.
 */

export type Table = Readonly<Record<string, unknown>>;
export type Path = readonly string[];

export function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function applyPatch(target: unknown, patch: unknown): unknown {
  if (!isTable(patch)) return patch;
  const result = new Map(isTable(target) ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) result.delete(key);
    else result.set(key, applyPatch(result.get(key), value));
  }
  return Object.fromEntries(result);
}

/** The smallest patch that makes `to` of `from`; neither holds a null. */
export function diffPatch(from: Table, to: Table): Table {
  const result = new Map<string, unknown>();
  for (const key of Object.keys(from)) if (!Object.hasOwn(to, key)) result.set(key, null);
  for (const [key, value] of Object.entries(to)) {
    const before = Object.hasOwn(from, key) ? from[key] : undefined;
    if (isEqual(before, value)) continue;
    result.set(key, isTable(before) && isTable(value) ? diffPatch(before, value) : value);
  }
  return Object.fromEntries(result);
}

/** Where a patch sets or takes away something: the places of its values that are no objects, or empty ones. */
export function leavesOf(patch: unknown, at: Path = []): readonly Path[] {
  if (!isTable(patch)) return [at];
  const entries = Object.entries(patch);
  if (entries.length === 0) return at.length === 0 ? [] : [at];
  return entries.flatMap(([key, value]) => leavesOf(value, [...at, key]));
}

/** The part of a patch whose leaves `may` be there. */
export function restrictPatch(patch: Table, may: (leaf: Path) => boolean, at: Path = []): Table {
  const kept = new Map<string, unknown>();
  for (const [key, value] of Object.entries(patch)) {
    const path = [...at, key];
    if (isTable(value) && Object.keys(value).length > 0) {
      const inner = restrictPatch(value, may, path);
      if (Object.keys(inner).length > 0) kept.set(key, inner);
    } else if (may(path)) kept.set(key, value);
  }
  return Object.fromEntries(kept);
}

export function valueAt(value: unknown, path: Path): unknown {
  let found = value;
  for (const key of path) {
    if (!isTable(found) || !Object.hasOwn(found, key)) return undefined;
    found = found[key];
  }
  return found;
}

/** Equal as JSON: the order of keys says nothing. */
export function isEqual(left: unknown, right: unknown): boolean {
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((each, index) => isEqual(each, right[index]));
  }
  if (!isTable(left) || !isTable(right)) return left === right;
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => Object.hasOwn(right, key) && isEqual(left[key], right[key]))
  );
}
