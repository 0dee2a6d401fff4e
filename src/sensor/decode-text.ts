/**
 * Decodes frames of plain text: rows of values (csv) and what a regular expression finds (regex). Text is UTF-8 or, where
 * it is not, Latin-1 (meters write "°C" that way). A frame with control characters is noise, not text.
 */
import { type Decoded, type Decoder, invalid, type Scalar } from './record.ts';

/** What a search costs grows with its input; the configuration's judgement of patterns counts on this bound. */
const REGEX_FRAME_BYTES_MAX = 1024;

const NOISE = 'control characters in the text';

export function csvDecoder(columns: readonly string[], separator: string): Decoder {
  const textOf = textDecoder();
  return (frame): Decoded => {
    const text = textOf(frame);
    if (text === undefined) return invalid(NOISE);
    const values = splitRow(text, separator, columns.length);
    if (values === undefined) return invalid('a quote that does not end');
    if (values.length !== columns.length) return invalid(`not ${columns.length} values`);
    const record = new Map<string, Scalar>();
    for (const [index, column] of columns.entries()) {
      record.set(column, { kind: 'text', text: values[index]?.trim() ?? '' });
    }
    return { kind: 'record', record };
  };
}

export function regexDecoder(pattern: string): Decoder {
  const textOf = textDecoder();
  const expression = new RegExp(pattern);
  return (frame): Decoded => {
    if (frame.length > REGEX_FRAME_BYTES_MAX) return invalid(`longer than ${REGEX_FRAME_BYTES_MAX} bytes`);
    const text = textOf(frame);
    if (text === undefined) return invalid(NOISE);
    const found = expression.exec(text);
    if (found === null) return invalid('does not match the pattern');
    const record = new Map<string, Scalar>();
    for (const [name, value] of Object.entries(found.groups ?? {}) as [string, string | undefined][]) {
      if (value !== undefined) record.set(name, { kind: 'text', text: value.trim() });
    }
    return { kind: 'record', record };
  };
}

/** Undefined for text with control characters other than tab. */
function textDecoder(): (frame: Buffer) => string | undefined {
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  return (frame) => {
    let text: string;
    try {
      text = utf8.decode(frame);
    } catch {
      text = frame.toString('latin1');
    }
    return hasControlCharacter(text) ? undefined : text;
  };
}

function hasControlCharacter(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f) return true;
  }
  return false;
}

/** RFC 4180 within one row. At most one value more than wanted is split off: the count is wrong by then. */
function splitRow(row: string, separator: string, wanted: number): string[] | undefined {
  const values: string[] = [];
  let from = 0;
  while (values.length <= wanted) {
    if (row[from] !== '"') {
      const end = row.indexOf(separator, from);
      values.push(row.slice(from, end === -1 ? row.length : end));
      if (end === -1) return values;
      from = end + separator.length;
      continue;
    }
    const [, quoted, after] = /^"((?:[^"]|"")*)"(.?)/.exec(row.slice(from)) ?? [];
    if (quoted === undefined || (after !== '' && after !== separator)) return undefined;
    values.push(quoted.replaceAll('""', '"'));
    if (after === '') return values;
    from += quoted.length + 2 + separator.length;
  }
  return values;
}
