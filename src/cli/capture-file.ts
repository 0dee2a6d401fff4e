/** Reads a capture file record by record, however long it is; what is wrong with it is told with its line. */
import { createReadStream } from 'node:fs';
import { reasonOf, systemCodeOf } from '../fault.ts';
import { CAPTURE_LINE_MAX, type CaptureRecord, parseCaptureHeader, parseCaptureRecord } from '../serial/capture.ts';

/**
 * Throws Error, naming file and line, at the first line that is no record. A last line that has no end and is no record is
 * left out: whoever wrote it was killed.
 */
export async function* readCapture(path: string): AsyncGenerator<CaptureRecord> {
  let number = 0;
  let lastMs = 0;
  const wrong = (expected: string): Error => new Error(`${path}:${number}: must be ${expected}`);
  for await (const { text, hasEnd } of linesOf(path)) {
    number += 1;
    if (number === 1) {
      const header = parseCaptureHeader(text);
      if (header.kind === 'mistake') throw wrong(header.expected);
      continue;
    }
    if (text.length > CAPTURE_LINE_MAX) throw wrong(`at most ${CAPTURE_LINE_MAX} characters`);
    const record = parseCaptureRecord(text);
    if (record.kind === 'mistake') {
      if (hasEnd) throw wrong(record.expected);
      return;
    }
    if (record.value.atMs < lastMs) throw wrong('no earlier than the line before');
    lastMs = record.value.atMs;
    yield record.value;
  }
  if (number === 0) throw new Error(`${path}: must be a capture, got an empty file`);
}

interface Line {
  readonly text: string;
  readonly hasEnd: boolean;
}

/** A line that is too long comes out as it is so far, and is the last one. */
async function* linesOf(path: string): AsyncGenerator<Line> {
  let rest = '';
  try {
    for await (const chunk of createReadStream(path, { encoding: 'utf8' })) {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const text of lines) yield { text, hasEnd: true };
      if (rest.length > CAPTURE_LINE_MAX) break;
    }
  } catch (error) {
    const reason = systemCodeOf(error) === 'ENOENT' ? 'no such file' : reasonOf(error);
    throw new Error(`${path}: ${reason}`, { cause: error });
  }
  if (rest !== '') yield { text: rest, hasEnd: false };
}
