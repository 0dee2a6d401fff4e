/**
 * Decoded frames as line-delimited JSON: one object a reading, or one a frame. Values are the texts that the decoder found,
 * so that no number goes through a binary float; only booleans are booleans.
 */
import type { DecodedRecord, Scalar } from '../sensor/record.ts';
import type { DecodedFrame } from './frame-pipe.ts';

interface DecodedReading {
  readonly name: string;
  readonly value: string | boolean;
  readonly unit?: string;
}

const UNIT = '.unit';

/** A value `<name>.unit` is the unit of `<name>`, not a reading. */
function readingsOf(record: DecodedRecord): readonly DecodedReading[] {
  const readings: DecodedReading[] = [];
  for (const [name, scalar] of record) {
    if (name.endsWith(UNIT) && record.has(name.slice(0, -UNIT.length))) continue;
    const unit = record.get(name + UNIT)?.text;
    readings.push({ name, value: valueOf(scalar), ...(unit === undefined ? {} : { unit }) });
  }
  return readings;
}

function valueOf({ kind, text }: Scalar): string | boolean {
  return kind === 'boolean' ? text === 'true' : text;
}

export function decodedText(frames: readonly DecodedFrame[], wholeFrames: boolean): string {
  const lines = frames.flatMap(({ frame, record }) => {
    const readings = readingsOf(record);
    if (wholeFrames) return [JSON.stringify({ frame, readings })];
    return readings.map((reading) => JSON.stringify({ frame, ...reading }));
  });
  return lines.map((line) => `${line}\n`).join('');
}
