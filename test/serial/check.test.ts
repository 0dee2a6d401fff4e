/** Check values: where they stand, what they cover, and that a frame without room for them is not whole. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { openFrameOf } from '../../src/serial/check.ts';
import type { Check } from '../../src/serial/framing.ts';

const place = { from: 0, as: 'be', strip: false } as const;
const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(' ', ''), 'hex');

/** Frames as devices send them, with their checks. */
const SOUND: readonly { readonly name: string; readonly check: Check; readonly frame: Buffer }[] = [
  {
    name: 'NMEA 0183: xor of what stands between $ and *, in hexadecimal digits',
    check: { type: 'xor8', ...place, from: 1, to: -3, as: 'hex', invert: false },
    frame: Buffer.from('$GPGLL,5300.97914,N,00259.98174,E,125926,A*28'),
  },
  {
    name: 'PMS5003: sum of 16 bits',
    check: { type: 'sum16', ...place, invert: false },
    frame: hex('424d001c 0001 0002 0003 0001 0002 0003 0102 0045 0011 0002 0000 0000 9700 01a9'),
  },
  {
    name: 'MH-Z19: what makes the sum 0, the first byte left out',
    check: { type: 'lrc', ...place, from: 1, invert: false },
    frame: hex('ff86 0260 4700 0000 d1'),
  },
  {
    name: "SHDLC: one's complement of the sum",
    check: { type: 'sum8', ...place, invert: true },
    frame: hex('00 00 02 01 03 f9'),
  },
  {
    name: 'Modbus RTU: CRC, least significant byte first',
    check: { type: 'crc', ...place, as: 'le', preset: 'modbus' },
    frame: hex('01 04 02 ff ff b8 80'),
  },
  {
    name: 'SHT31: CRC of 8 bits by its parameters',
    check: {
      type: 'crc',
      ...place,
      parameters: { width: 8, poly: '31', init: 'ff', refin: false, refout: false, xorout: '0' },
    },
    frame: hex('be ef 92'),
  },
];

for (const { name, check, frame } of SOUND) {
  test(`${name}: sound passes, any byte changed does not`, () => {
    const open = openFrameOf(check);
    assert.equal(open(frame), frame);
    const covered = check.type === 'none' ? 0 : check.from;
    for (let at = covered; at < frame.length; at += 1) {
      // The one byte that stands between the covered bytes and the check value in these frames.
      if (frame[at] === 0x2a) continue;
      const other = Buffer.from(frame);
      other[at] = (other[at] ?? 0) ^ 0x04;
      assert.equal(open(other), undefined, `byte ${at}`);
    }
  });
}

test('strip leaves what is covered', () => {
  const open = openFrameOf({ type: 'xor8', from: 1, to: -3, as: 'hex', strip: true, invert: false });
  assert.equal(open(Buffer.from('$AB*03'))?.toString(), 'AB');
});

test('hexadecimal digits may be of either case, and nothing else passes for them', () => {
  const open = openFrameOf({ type: 'crc', ...place, preset: 'arc', as: 'hex' });
  for (const good of ['BB3D', 'bb3d']) assert.ok(open(Buffer.from(`123456789${good}`)));
  for (const bad of ['BB3 ', '0xBB', '    ', 'BB3G']) assert.equal(open(Buffer.from(`123456789${bad}`)), undefined);
});

test('without a check every frame is whole', () => {
  const frame = Buffer.from('x');
  assert.equal(openFrameOf(undefined)(frame), frame);
  assert.equal(openFrameOf({ type: 'none' })(frame), frame);
});

test('a check value alone, which covers nothing, is no frame', () => {
  // The CRC of no bytes is its start value, so two bytes of a stuck line would pass.
  const open = openFrameOf({ type: 'crc', ...place, as: 'le', preset: 'modbus' });
  assert.equal(open(hex('ff ff')), undefined);
});

test('places that a frame does not have make it not whole, and never an exception', () => {
  const number = fc.integer({ min: -9, max: 9 });
  const optional = fc.option(number, { nil: undefined });
  const check = fc.record({
    type: fc.constantFrom('xor8', 'sum8', 'sum16', 'lrc', 'crc'),
    from: number,
    to: optional,
    at: optional,
    as: fc.constantFrom('be', 'le', 'hex'),
    strip: fc.boolean(),
    invert: fc.boolean(),
    preset: fc.constantFrom('crc-8', 'arc', 'crc-32'),
  });
  fc.assert(
    fc.property(check, fc.uint8Array({ maxLength: 8 }), (how, bytes) => {
      const frame = Buffer.from(bytes);
      const body = openFrameOf(how)(frame);
      assert.ok(body === undefined || (body.length > 0 && body.length <= frame.length));
    }),
    { numRuns: 3000 },
  );
});
