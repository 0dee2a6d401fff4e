/** A line of the log as it goes out: bounded, whatever was logged. Pure. */
import type { LogFields, LogLine } from '../ports.ts';
import type { Document } from './command.ts';

const FIELDS_MAX = 32;
const LETTERS_MAX = 512;

export function lineDocument({ level, sentence, fields = {} }: LogLine, wallMs: number): Document {
  return {
    time: new Date(wallMs).toISOString(),
    level,
    sentence: sentence.slice(0, LETTERS_MAX),
    fields: boundedFields(fields),
  };
}

function boundedFields(fields: LogFields): LogFields {
  const bounded = Object.entries(fields)
    .slice(0, FIELDS_MAX)
    .map(([name, value]) => [name, typeof value === 'string' ? value.slice(0, LETTERS_MAX) : value] as const);
  return Object.fromEntries(bounded);
}
