/**
 * What may be written to a device by command: a template of the configuration with its values put in. Pure. A value is one of
 * the texts that the configuration lists, or a number within its bounds, written with a fixed number of digits: nothing that
 * comes from outside reaches the line in another form.
 */
import { bytesOfText } from '../bytes-text.ts';
import type { WriteTemplate, WriteValue } from './config.ts';

export type RenderedWrite =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  /** What it must be. */
  | { readonly kind: 'mistake'; readonly text: string };

export function renderWrite(template: WriteTemplate, given: Readonly<Record<string, unknown>>): RenderedWrite {
  const { write, values } = template;
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(values, name));
  if (unknown !== undefined) return { kind: 'mistake', text: `the template has no value ${JSON.stringify(unknown)}` };
  const texts = new Map<string, string>();
  for (const [name, bounds] of Object.entries(values)) {
    const text = textOf(bounds, Object.hasOwn(given, name) ? given[name] : undefined);
    if (text === undefined) return { kind: 'mistake', text: `${name} must be ${expectedOf(bounds)}` };
    texts.set(name, text);
  }
  // In one pass: a text that was put in is no template itself.
  const whole = write.startsWith('hex:')
    ? write
    : write.replaceAll(/\{([A-Za-z0-9._-]{1,64})\}/g, (found, name: string) => texts.get(name) ?? found);
  return { kind: 'bytes', bytes: bytesOfText(whole) };
}

function textOf({ oneOf, min = 0, max = 0, decimals = 0 }: WriteValue, given: unknown): string | undefined {
  if (oneOf !== undefined) return oneOf.find((text) => text === given);
  if (typeof given !== 'number' || !Number.isFinite(given) || given < min || given > max) return undefined;
  const text = (given === 0 ? 0 : given).toFixed(decimals);
  return Number(text) === given && /^-?\d+(?:\.\d+)?$/.test(text) ? text : undefined;
}

function expectedOf({ oneOf, min = 0, max = 0, decimals = 0 }: WriteValue): string {
  if (oneOf !== undefined) return `one of ${oneOf.map((text) => JSON.stringify(text)).join(', ')}`;
  const digits = decimals === 0 ? 'a whole number' : `a number with at most ${decimals} decimals`;
  return `${digits}, ${min} to ${max}`;
}
