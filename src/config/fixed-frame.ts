/**
 * Places in a frame whose length is known: a check or a field that does not fit into it would make every frame wrong, so
 * that is told of the file.
 */

interface Check {
  readonly type: string;
  readonly from?: number;
  readonly to?: number | undefined;
  readonly at?: number | undefined;
  readonly as?: string;
  readonly strip?: boolean;
  readonly preset?: string | undefined;
  readonly parameters?: { readonly width: number } | undefined;
}

interface Field {
  readonly at: number;
  readonly type: string;
  readonly length?: number | undefined;
}

/** Bytes that the decoder gets of a frame of `length` bytes; undefined: such a frame never passes its check. */
export function bodyLength(length: number, check: Check | undefined): number | undefined {
  if (check === undefined || check.type === 'none') return length;
  const size = checkBytes(check);
  const at = placeIn(length, check.at ?? -size);
  const from = placeIn(length, check.from ?? 0);
  const to = check.to === undefined ? at : placeIn(length, check.to);
  if (at < 0 || at + size > length || from < 0 || to > length || from >= to) return undefined;
  return check.strip === true ? to - from : length;
}

/** Whether all fields stand within `length` bytes. */
export function holdsFields(length: number, fields: Readonly<Record<string, Field>>): boolean {
  return Object.values(fields).every((field) => {
    const at = placeIn(length, field.at);
    return at >= 0 && at + fieldBytes(field) <= length;
  });
}

/** A number's type names its bits; texts have a length of their own. */
export function fieldBytes({ type, length }: Pick<Field, 'type' | 'length'>): number {
  return length ?? Number(/\d+/.exec(type)?.[0] ?? 8) / 8;
}

function checkBytes({ type, as, preset = '', parameters }: Check): number {
  // Names without a width, such as "modbus", are of 16 bits.
  const width = parameters?.width ?? Number(/^crc-(\d+)/.exec(preset)?.[1] ?? 16);
  const bytes = type === 'crc' ? Math.ceil(width / 8) : type === 'sum16' ? 2 : 1;
  return as === 'hex' ? 2 * bytes : bytes;
}

/** Negative places count from the end. */
function placeIn(length: number, place: number): number {
  return place < 0 ? length + place : place;
}
