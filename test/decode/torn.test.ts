/** Frames whose beginning was never seen: which formats tell by themselves, and which need the line to drop the first. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJson } from '../../src/platform/json.ts';
import type { DecodeConfig } from '../../src/sensor/config.ts';
import { decoderOf, passesWhenTorn } from '../../src/sensor/decoder.ts';
import { shown } from './decode-rig.ts';
import * as sml from './sml-writer.ts';

const SML = sml.message(
  sml.values(Buffer.from('meter'), [
    sml.entry({ name: Buffer.from([1, 0, 1, 8, 0, 255]), value: sml.unsigned(5512n) }),
  ]),
);

/** A frame of each type, and where one cut of its beginning goes unnoticed. */
const FRAMES: readonly (readonly [config: DecodeConfig, frame: Buffer, passes: boolean])[] = [
  [{ type: 'json' }, Buffer.from('{"a":{"b":[1,2]}}'), false],
  [{ type: 'nmea' }, Buffer.from('$GPRMC,143007,A,4807.038,N,01131.000,E,22.4,84.4,251126,,,A*6C'), false],
  [{ type: 'sml' }, SML, false],
  [{ type: 'obis' }, Buffer.from('1-0:15.8.0(005779.835*kWh)\r\n!\r\n'), true],
  [{ type: 'csv', columns: ['a', 'b'], separator: ',' }, Buffer.from('5512,3'), true],
  [{ type: 'regex', pattern: '(?<kg>[0-9]+) kg' }, Buffer.from('5512 kg'), true],
  [{ type: 'struct', fields: { a: { at: -2, type: 'u16be' } } }, Buffer.from('4d5512', 'hex'), true],
  [{ type: 'raw' }, Buffer.from('4d5512', 'hex'), true],
];

test('only of a format without a beginning of its own does a torn frame pass for a whole one, and those are named', () => {
  for (const [config, frame, passes] of FRAMES) {
    const decoder = decoderOf(config, parseJson);
    assert.ok(typeof shown(decoder, frame) === 'object', config.type);
    const found = Array.from({ length: frame.length - 1 }, (_, cut) => shown(decoder, frame.subarray(cut + 1)));
    assert.equal(
      found.some((one) => typeof one === 'object'),
      passes,
      config.type,
    );
    assert.equal(passesWhenTorn(config), passes, config.type);
  }
});
