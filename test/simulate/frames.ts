/** What virtual meters say over a time: unasked, or asked over and over. */
import assert from 'node:assert/strict';
import { seededRandom } from '../../src/workbench/random.ts';
import type { SimulatedFrame, VirtualMeter } from '../../src/workbench/simulate/meter.ts';
import { METERS } from '../../src/workbench/simulate/meters.ts';

export const STARTED_MS = Date.UTC(2026, 10, 23, 16, 0, 0);

/** What is asked of the meters that only answer, over and over. */
export const QUESTIONS: Readonly<Record<string, readonly string[]>> = {
  'iec62056-d0': ['/?!\r\n', '\u0006050\r\n'],
  sps30: ['\u007e\u0000\u0000\u0002\u0001\u0003\u00f9\u007e', '\u007e\u0000\u0003\u0000\u00fc\u007e'],
  'mh-z19': ['\u00ff\u0001\u0086\u0000\u0000\u0000\u0000\u0000\u0079'],
  'sics-scale': ['SI\r\n'],
  // Unit 1, function 4, 32 registers from 0, and 6 from 70.
  sdm120: ['\u0001\u0004\u0000\u0000\u0000\u0020\u00f1\u00d2', '\u0001\u0004\u0000\u0046\u0000\u0006\u0091\u00dd'],
  sdm630: ['\u0001\u0004\u0000\u0000\u0000\u0036\u0070\u001c', '\u0001\u0004\u0000\u0046\u0000\u0006\u0091\u00dd'],
  'mbus-raw': ['\u0010\u0040\u00fe\u003e\u0016', '\u0010\u007b\u00fe\u0079\u0016'],
};

export function meterOf(name: string, seed: number): VirtualMeter {
  const kind = METERS[name];
  assert.ok(kind !== undefined, name);
  return kind.create(seededRandom(seed));
}

/** So many frames that say something, with what stands between them. */
export function framesOf(name: string, seed: number, count: number): readonly SimulatedFrame[] {
  const meter = meterOf(name, seed);
  const frames: SimulatedFrame[] = [];
  for (let turn = 0; turn < count; turn += 1) {
    const atMs = STARTED_MS + turn * (meter.everyMs ?? 60_000);
    if (meter.everyMs !== undefined) frames.push(...meter.speak(atMs));
    for (const question of QUESTIONS[name] ?? []) frames.push(...meter.hear(Buffer.from(question, 'latin1'), atMs));
  }
  return frames;
}
