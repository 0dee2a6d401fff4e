/** Values of options: numbers, durations and sizes within bounds, each refused with the option's name and what it may be. */
import { durationText, parseDuration, parseSize, sizeText } from '../config/units.ts';
import { Fault } from '../fault.ts';

interface Range {
  readonly low: number;
  readonly high: number;
}

export function numberOption(option: string, text: string, { low, high }: Range): number {
  const value = /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= low && value <= high) return value;
  throw new Fault('usage', `${option}: must be ${low} to ${high}, got ${JSON.stringify(text)}`);
}

export function wholeOption(option: string, text: string, range: Range): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= range.low && value <= range.high) return value;
  throw new Fault(
    'usage',
    `${option}: must be a whole number, ${range.low} to ${range.high}, got ${JSON.stringify(text)}`,
  );
}

/** Milliseconds, in the words of device.json. */
export function durationOption(option: string, text: string, { low, high }: Range): number {
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= low && ms <= high) return ms;
  const range = `a duration, ${durationText(low)} to ${durationText(high)}`;
  throw new Fault('usage', `${option}: must be ${range}, got ${JSON.stringify(text)}`);
}

/** Bytes, as a whole number or in the words of device.json. */
export function bytesOption(option: string, text: string, { low, high }: Range): number {
  const bytes = /^\d{1,15}$/.test(text) ? Number(text) : parseSize(text);
  if (bytes !== undefined && bytes >= low && bytes <= high) return bytes;
  throw new Fault('usage', `${option}: must be ${low} bytes to ${sizeText(high)}, got ${JSON.stringify(text)}`);
}
