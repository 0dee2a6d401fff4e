/**
 * Durations (`500ms`, `5s`, `15m`, `1h`, `7d`) and sizes (`100B`, `512KiB`, `64MiB`, `1GiB`) as device.json writes them:
 * one whole number and one unit, so that no reader has to guess what a bare 30 means. Inside the agent they are
 * milliseconds and bytes.
 */

export const DURATION_PATTERN = /^(0|[1-9][0-9]{0,8})(ms|s|m|h|d)$/;
export const SIZE_PATTERN = /^(0|[1-9][0-9]{0,8})(B|KiB|MiB|GiB)$/;

const DURATION_UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
];

const SIZE_UNITS: readonly (readonly [string, number])[] = [
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
  ['B', 1],
];

/** Milliseconds; undefined when the text is not a duration. */
export function parseDuration(text: string): number | undefined {
  return amount(DURATION_PATTERN, DURATION_UNITS, text);
}

/** Bytes; undefined when the text is not a size. */
export function parseSize(text: string): number | undefined {
  return amount(SIZE_PATTERN, SIZE_UNITS, text);
}

/** In the largest unit that leaves no remainder. */
export function durationText(ms: number): string {
  return ms === 0 ? '0s' : unitText(DURATION_UNITS, ms);
}

/** In the largest unit that leaves no remainder. */
export function sizeText(bytes: number): string {
  return bytes === 0 ? '0B' : unitText(SIZE_UNITS, bytes);
}

function amount(pattern: RegExp, units: readonly (readonly [string, number])[], text: string): number | undefined {
  const [, digits, unit] = pattern.exec(text) ?? [];
  const factor = units.find(([name]) => name === unit)?.[1];
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
}

function unitText(units: readonly (readonly [string, number])[], value: number): string {
  const [name, factor] = units.find(([, each]) => value % each === 0) ?? ['', 1];
  return `${value / factor}${name}`;
}
