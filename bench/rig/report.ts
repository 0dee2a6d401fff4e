/** Medians, verdicts and a table of text, for the benchmarks' reports. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** The median of each figure over several runs. */
export function medians<Key extends string>(runs: readonly Readonly<Record<Key, number>>[]): Record<Key, number> {
  const keys = Object.keys(runs[0] ?? {}) as Key[];
  const pairs = keys.map((key) => [key, median(runs.map((run) => run[key]))] as const);
  return Object.fromEntries(pairs) as Record<Key, number>;
}

export interface Aim {
  readonly aim: string;
  readonly value: number;
  /** The bound that `value` is held against. */
  readonly bound: number;
  readonly verdict: 'met' | 'missed';
}

export function atLeast(aim: string, value: number, bound: number): Aim {
  return { aim, value, bound, verdict: value >= bound ? 'met' : 'missed' };
}

export function atMost(aim: string, value: number, bound: number): Aim {
  return { aim, value, bound, verdict: value <= bound ? 'met' : 'missed' };
}

export function aimLines(aims: readonly Aim[]): string {
  const number = (value: number): string => value.toFixed(value < 10 ? 2 : 0);
  return aims.map(({ aim, value, verdict }) => `${verdict.padEnd(6)}  ${aim}: ${number(value)}\n`).join('');
}

/** The first `left` columns stand to the left, the others to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], left: number): string {
  const widths = head.map((_, at) => Math.max(...[head, ...rows].map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => (at < left ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ')
      .trimEnd();
  return [head, ...rows].map((row) => `${line(row)}\n`).join('');
}
