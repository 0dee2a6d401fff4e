/** CRCs against the catalogue's check values, and against a bit-by-bit reading of the Rocksoft model. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CRC_NAMES } from '../../src/config/framing-schema.ts';
import { CRC_PRESETS, crcOf, crcPreset } from '../../src/serial/crc.ts';
import type { CrcParameters } from '../../src/serial/framing.ts';

/** The CRC of "123456789", as the catalogue publishes it. */
const CHECK_VALUES: Readonly<Record<string, number>> = {
  'crc-8': 0xf4,
  'crc-8-maxim': 0xa1,
  'crc-16-arc': 0xbb3d,
  'crc-16-modbus': 0x4b37,
  'crc-16-usb': 0xb4c8,
  'crc-16-x25': 0x906e,
  'crc-16-ccitt-false': 0x29b1,
  'crc-16-xmodem': 0x31c3,
  'crc-16-kermit': 0x2189,
  'crc-16-dnp': 0xea82,
  'crc-32': 0xcbf43926,
  'crc-32-c': 0xe3069283,
  'crc-32-mpeg2': 0x0376e6e7,
  arc: 0xbb3d,
  modbus: 0x4b37,
  'x-25': 0x906e,
  'ccitt-false': 0x29b1,
  xmodem: 0x31c3,
  kermit: 0x2189,
};

test('every preset gives the check value of the catalogue', () => {
  const digits = Buffer.from('123456789');
  const given = CRC_PRESETS.map((name) => [name, crcOf(crcPreset(name))(digits, 0, digits.length)]);
  assert.deepEqual(Object.fromEntries(given), CHECK_VALUES);
});

test('the configuration names exactly the presets there are', () => {
  assert.deepEqual([...CRC_NAMES].sort(), [...CRC_PRESETS].sort());
});

/** The model as it is written down, bit by bit, in whole numbers without a width of their own. */
function byTheModel(parameters: CrcParameters, bytes: Uint8Array): bigint {
  const width = BigInt(parameters.width);
  const top = 1n << (width - 1n);
  const mask = (1n << width) - 1n;
  const turned = (value: bigint, bits: bigint): bigint =>
    BigInt(`0b${value.toString(2).padStart(Number(bits), '0').split('').reverse().join('')}`);
  let register = BigInt(`0x${parameters.init}`);
  for (const byte of bytes) {
    const taken = parameters.refin ? turned(BigInt(byte), 8n) : BigInt(byte);
    for (let bit = 7n; bit >= 0n; bit -= 1n) {
      const leaves = ((register & top) !== 0n) !== (((taken >> bit) & 1n) === 1n);
      register = (register << 1n) & mask;
      if (leaves) register ^= BigInt(`0x${parameters.poly}`);
    }
  }
  if (parameters.refout) register = turned(register, width);
  return register ^ BigInt(`0x${parameters.xorout}`);
}

test('any parameters give what the model gives bit by bit, over any stretch of the bytes', () => {
  const parameters = fc.integer({ min: 8, max: 32 }).chain((width) => {
    const value = fc.integer({ min: 0, max: 2 ** width - 1 }).map((number) => number.toString(16));
    return fc.record({
      width: fc.constant(width),
      poly: value,
      init: value,
      refin: fc.boolean(),
      refout: fc.boolean(),
      xorout: value,
    });
  });
  const bytes = fc.uint8Array({ maxLength: 40 });
  fc.assert(
    fc.property(parameters, bytes, fc.nat(40), fc.nat(40), (how, all, one, other) => {
      const from = Math.min(one, other, all.length);
      const to = Math.min(Math.max(one, other), all.length);
      assert.equal(BigInt(crcOf(how)(all, from, to)), byTheModel(how, all.subarray(from, to)));
    }),
    { numRuns: 3000 },
  );
});
