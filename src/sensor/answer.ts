/**
 * What a sensor is told once its event is on disk: a text with `{name}` for decoded values. The values come off the line,
 * so they could smuggle a command into the answer: only short printable ASCII is put in, and never the line's own
 * delimiter.
 */
import type { DecodedRecord } from './record.ts';

const VALUE_MAX = 64;
const ANSWER_BYTES_MAX = 4096;

export interface AnswerTemplate {
  readonly parts: readonly ({ readonly text: string } | { readonly name: string })[];
  /** What no value may contain. */
  readonly delimiter: string;
}

/** Braces round anything that is no name stand for themselves. */
export function parseAnswer(write: string, delimiter: string): AnswerTemplate {
  const parts = write
    .split(/(\{[A-Za-z0-9._-]{1,64}\})/)
    .filter((part) => part !== '')
    .map((part) => (/^\{[A-Za-z0-9._-]{1,64}\}$/.test(part) ? { name: part.slice(1, -1) } : { text: part }));
  return { parts, delimiter };
}

export type RenderedAnswer =
  | { readonly kind: 'answer'; readonly bytes: Buffer }
  | { readonly kind: 'unusable'; readonly reason: string };

export function renderAnswer(template: AnswerTemplate, record: DecodedRecord): RenderedAnswer {
  let text = '';
  for (const part of template.parts) {
    if ('text' in part) {
      text += part.text;
      continue;
    }
    const value = record.get(part.name)?.text;
    if (value === undefined) return { kind: 'unusable', reason: `${part.name} is missing for the answer` };
    const isSafe = value.length <= VALUE_MAX && /^[\x20-\x7e]*$/.test(value) && !value.includes(template.delimiter);
    if (!isSafe) return { kind: 'unusable', reason: `${part.name} can not stand in an answer` };
    text += value;
  }
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length > ANSWER_BYTES_MAX) return { kind: 'unusable', reason: 'the answer is too long' };
  return { kind: 'answer', bytes };
}
