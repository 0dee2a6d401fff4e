/** Fills a record from a format in which a name may come again: the same value is fine, another one is not for us to choose. */
import type { Scalar } from './record.ts';

/** False when the name stands for another value already. */
export function putOnce(record: Map<string, Scalar>, name: string, scalar: Scalar): boolean {
  const known = record.get(name);
  if (known !== undefined) return known.kind === scalar.kind && known.text === scalar.text;
  record.set(name, scalar);
  return true;
}
