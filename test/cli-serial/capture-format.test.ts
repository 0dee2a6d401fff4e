/** The capture file: what is written is read again, and whatever else stands in a file is told with its line. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { readCapture } from '../../src/cli/capture-file.ts';
import {
  CAPTURE_LINE_MAX,
  captureHeaderText,
  type CaptureRecord,
  captureRecordText,
  parseCaptureHeader,
  parseCaptureRecord,
} from '../../src/serial/capture.ts';
import { directory } from './rig.ts';

const HEADER = captureHeaderText({ port: '/dev/ttyUSB0', at: '2026-11-25T10:00:00.000Z' });

async function recordsOf(t: TestContext, text: string): Promise<readonly CaptureRecord[]> {
  const path = join(directory(t), 'c');
  writeFileSync(path, text);
  const records: CaptureRecord[] = [];
  for await (const record of readCapture(path)) records.push(record);
  return records;
}

test('records come back as they were written', async (t) => {
  const record = fc.oneof(
    fc.record({
      kind: fc.constant('bytes' as const),
      bytes: fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each)),
    }),
    fc.record({ kind: fc.constant('open' as const) }),
    fc.record({ kind: fc.constant('lost' as const), why: fc.string({ unit: 'binary' }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(record, { maxLength: 30 }), async (records) => {
      const timed = records.map((each, index): CaptureRecord => ({ ...each, atMs: index * 12.25 }));
      assert.deepEqual(await recordsOf(t, HEADER + timed.map(captureRecordText).join('')), timed);
    }),
    { numRuns: 30 },
  );
});

test('no text makes the parsers throw', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      parseCaptureHeader(text);
      parseCaptureRecord(text);
    }),
  );
});

test('a mistake is told with its line', async (t) => {
  for (const [text, says] of [
    ['', /must be a capture, got an empty file/],
    ['garbage', /c:1: must be the header of a capture/],
    ['{"t":0,"rx":""}\n', /c:1: must be the header of a capture/],
    [HEADER.replace('"v":1', '"v":2'), /c:1: must be a capture of version 1/],
    [`${HEADER}{"t":0,"event":"open"}\nnonsense\n`, /c:3: must be a JSON object/],
    [`${HEADER}{"t":0,"event":"open"}\n\n`, /c:3: must be a JSON object/],
    [`${HEADER}{"t":-1,"rx":""}\n`, /c:2: must be an object with t/],
    [`${HEADER}{"t":1,"rx":"!"}\n`, /c:2: must be base64/],
    [`${HEADER}{"t":1,"event":"burnt"}\n`, /c:2: must be an object with rx, or event open or lost/],
    [`${HEADER}{"t":5,"rx":""}\n{"t":4,"rx":""}\n`, /c:3: must be no earlier than the line before/],
    [`${HEADER}${'x'.repeat(2 * CAPTURE_LINE_MAX)}`, /c:2: must be at most \d+ characters/],
  ] as const) {
    await assert.rejects(recordsOf(t, text), says);
  }
});

test('a last record that a kill cut short is left out, a whole one without its line end is not', async (t) => {
  const open = captureRecordText({ kind: 'open', atMs: 0 });
  assert.equal((await recordsOf(t, `${HEADER}${open}{"t":1,"rx":"AA`)).length, 1);
  assert.equal((await recordsOf(t, `${HEADER}${open}{"t":1,"rx":"AA=="}`)).length, 2);
});
