/**
 * The binary encoding of SML (Smart Message Language, BSI TR-03109-1 annex IV): each element is a type and a length, then
 * its bytes. Read into a tree, whatever its meaning. Each element takes at least one byte and depth is bounded, so that no
 * input costs more than one pass over it.
 *
 *     first byte   mttt llll   t: 0 octets, 4 boolean, 5 integer, 6 unsigned, 7 list; m: a byte m000 llll follows
 *     length       of a list: its elements; else: the bytes, with those of type and length themselves
 *     01           no octets: an optional element that is not there
 *     00           the end of a message
 */
export type SmlElement =
  | { readonly kind: 'absent' | 'end' }
  | { readonly kind: 'octets'; readonly octets: Buffer }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'number'; readonly value: bigint }
  | { readonly kind: 'list'; readonly elements: readonly SmlPlaced[] };

/** An element and the bytes it takes: `from` the first, `to` the one behind the last. */
export interface SmlPlaced {
  readonly element: SmlElement;
  readonly from: number;
  readonly to: number;
}

/** A time in an entry of a list of values stands seven deep. */
const DEPTH_MAX = 8;
const LENGTH_BYTES_MAX = 4;
const NUMBER_BYTES_MAX = 8;

const TYPE = { octets: 0, boolean: 4, integer: 5, unsigned: 6, list: 7 } as const;

/** Undefined when what begins at `from` is no element, goes on beyond the end, or nests too deep. */
export function readElement(bytes: Buffer, from: number, depth = 1): SmlPlaced | undefined {
  const head = readHead(bytes, from);
  if (head === undefined || depth > DEPTH_MAX) return undefined;
  const { type, length, at } = head;
  if (type === TYPE.list) return readList(bytes, { from, at, length, depth });
  if (type === TYPE.octets && length === 0) return { element: { kind: 'end' }, from, to: at };
  const to = from + length;
  if (to < at || to > bytes.length) return undefined;
  const element = simpleElement(type, bytes.subarray(at, to));
  return element === undefined ? undefined : { element, from, to };
}

interface Head {
  readonly type: number;
  readonly length: number;
  /** First byte behind it. */
  readonly at: number;
}

function readHead(bytes: Buffer, from: number): Head | undefined {
  const first = bytes[from];
  if (first === undefined) return undefined;
  let length = first & 0x0f;
  let at = from + 1;
  for (let more = first; (more & 0x80) !== 0; at += 1) {
    const next = bytes[at];
    if (next === undefined || (next & 0x70) !== 0 || at - from >= LENGTH_BYTES_MAX) return undefined;
    length = length * 16 + (next & 0x0f);
    more = next;
  }
  return { type: (first >> 4) & 0x07, length, at };
}

interface ListHead {
  readonly from: number;
  readonly at: number;
  readonly length: number;
  readonly depth: number;
}

function readList(bytes: Buffer, { from, at, length, depth }: ListHead): SmlPlaced | undefined {
  const elements: SmlPlaced[] = [];
  let to = at;
  while (elements.length < length) {
    const placed = readElement(bytes, to, depth + 1);
    if (placed === undefined) return undefined;
    elements.push(placed);
    to = placed.to;
  }
  return { element: { kind: 'list', elements }, from, to };
}

function simpleElement(type: number, value: Buffer): SmlElement | undefined {
  if (type === TYPE.octets) return value.length === 0 ? { kind: 'absent' } : { kind: 'octets', octets: value };
  if (type === TYPE.boolean) return value.length === 1 ? { kind: 'boolean', value: value[0] !== 0 } : undefined;
  if (type !== TYPE.integer && type !== TYPE.unsigned) return undefined;
  if (value.length < 1 || value.length > NUMBER_BYTES_MAX) return undefined;
  const unsigned = BigInt(`0x${value.toString('hex')}`);
  return { kind: 'number', value: type === TYPE.integer ? BigInt.asIntN(value.length * 8, unsigned) : unsigned };
}
