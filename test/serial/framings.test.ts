/** Each framing as the configuration names it, on streams of real devices with noise in them, cut at every place. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Framer } from '../../src/serial/framer.ts';
import { framersOf } from '../../src/serial/framers.ts';
import type { Check, Framing } from '../../src/serial/framing.ts';
import { bodiesOf, chunkSizes, chunksOf, discardedOf, everyCut, framesOf, joined, outputsOf } from './framer-rig.ts';

const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(' ', ''), 'hex');
const place = { from: 0, as: 'be', strip: false } as const;

interface Device {
  readonly name: string;
  readonly framing: Framing;
  readonly check: Check | undefined;
  readonly frame: Buffer;
  /** What the decoder gets. */
  readonly body: Buffer;
}

const TELEGRAM = Buffer.from('/XMX5LGBBFG1009\r\n\r\n1-0:1.8.1(000123.456*kWh)\r\n0-0:96.13.0()\r\n!6123\r\n');
const READ_OUT = Buffer.from('\u00021-0:1.8.0*255(0012345.67*kWh)\r\n!\r\n\u0003\u0074', 'latin1');
const SML = hex('1b1b1b1b01010101 76070001 1b1b1b1b1b1b1b1b 62006200 72000000 1b1b1b1b1a031136');

/** All with a start mark: whatever stands between frames, and in front of the first, costs nothing but itself. */
const MARKED: readonly Device[] = [
  {
    name: 'DSMR P1',
    framing: { type: 'between', start: '/', end: '!', trailer: 6, max: 256 },
    check: { type: 'crc', from: 0, to: -6, at: -6, as: 'hex', strip: false, preset: 'crc-16-arc' },
    frame: TELEGRAM,
    body: TELEGRAM,
  },
  {
    name: 'IEC 62056-21 read-out',
    framing: { type: 'between', start: '\u0002', end: '\u0003', trailer: 1, max: 256 },
    check: { type: 'xor8', from: 1, to: -1, as: 'be', strip: true, invert: false },
    frame: READ_OUT,
    body: READ_OUT.subarray(1, -1),
  },
  {
    name: 'PMS5003',
    framing: { type: 'length', sync: 'hex:42 4d', lengthAt: 2, lengthType: 'u16be', adjust: 4, max: 64 },
    check: { type: 'sum16', ...place, invert: false },
    frame: hex('424d001c 0001 0002 0003 0001 0002 0003 0102 0045 0011 0002 0000 0000 9700 01a9'),
    body: hex('424d001c 0001 0002 0003 0001 0002 0003 0102 0045 0011 0002 0000 0000 9700 01a9'),
  },
  {
    name: 'M-Bus long frame',
    framing: { type: 'length', sync: 'hex:68', lengthAt: 1, lengthType: 'u8', adjust: 6, max: 261 },
    check: { type: 'sum8', from: 4, to: -2, at: -2, as: 'be', strip: false, invert: false },
    frame: hex('68 07 07 68 08 01 72 68 68 01 02 4e 16'),
    body: hex('68 07 07 68 08 01 72 68 68 01 02 4e 16'),
  },
  {
    name: 'MH-Z19',
    framing: { type: 'fixed', sync: 'hex:ff', length: 9 },
    check: { type: 'lrc', ...place, from: 1, invert: false },
    frame: hex('ff86 0260 4700 0000 d1'),
    body: hex('ff86 0260 4700 0000 d1'),
  },
  {
    name: 'SDS011',
    framing: { type: 'fixed', sync: 'hex:aac0', length: 10, tail: 'hex:ab' },
    check: { type: 'sum8', from: 2, to: -2, at: -2, as: 'be', strip: false, invert: false },
    frame: hex('aac0 d404 3a0a a160 1d ab'),
    body: hex('aac0 d404 3a0a a160 1d ab'),
  },
  {
    name: 'SML',
    framing: { type: 'sml', max: 256 },
    check: undefined,
    frame: SML,
    body: hex('76070001 1b1b1b1b 62006200 72'),
  },
];

for (const { name, framing, check, frame, body } of MARKED) {
  const create = framersOf(framing, check);
  const damaged = Buffer.from(frame);
  damaged[frame.length >> 1] = (frame[frame.length >> 1] ?? 0) ^ 0x40;
  const torn = frame.subarray(0, frame.length >> 1);

  test(`${name}: frames with noise, torn and damaged ones between come whole, for every cut`, () => {
    const noise = hex('00 ff 42 2f 02 68 aa 1b 00');
    // Noise that looks like the beginning of a frame holds back what follows until there is enough of it.
    const filler = Buffer.alloc(600, 0x55);
    const stream = Buffer.concat([noise, frame, frame, torn, frame, damaged, frame, noise, filler, frame, noise]);
    const outputs = everyCut(create, stream);
    assert.deepEqual(
      framesOf(outputs).map((text) => Buffer.from(text, 'latin1').toString('hex')),
      Array.from({ length: 5 }, () => frame.toString('hex')),
    );
    assert.ok(bodiesOf(outputs).every((each) => each.equals(body)));
    assert.equal(discardedOf(outputs), stream.length - 5 * frame.length);
  });

  test(`${name}: whatever stands before it, the frame behind max quiet bytes is found and nothing is uncounted`, () => {
    const max = framing.type === 'fixed' ? framing.length : framing.max;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), chunkSizes, (noise, sizes) => {
        const stream = Buffer.concat([noise, Buffer.alloc(max), frame]);
        const outputs = outputsOf(create(true), chunksOf(stream, sizes));
        assert.equal(framesOf(outputs).at(-1), frame.toString('latin1'));
        assert.equal(framesOf(outputs).join('').length + discardedOf(outputs), stream.length);
      }),
      { numRuns: 300 },
    );
  });
}

test('an SML frame that lost a byte does not hold up the next one', () => {
  const create = framersOf({ type: 'sml', max: 4096 }, undefined);
  const outputs = create(false).push(Buffer.concat([SML.subarray(0, 13), SML.subarray(14), SML]));
  assert.deepEqual(framesOf(outputs), [SML.toString('latin1')]);
});

test('SML with more fill than a group holds is refused', () => {
  const create = framersOf({ type: 'sml', max: 4096 }, undefined);
  for (const digits of ['1b1b1b1b010101011b1b1b1b1a04', '1b1b1b1b010101010000000000000000 1b1b1b1b1a04']) {
    const bytes = hex(digits);
    const open = Buffer.concat([bytes, crcX25(bytes)]);
    assert.deepEqual(joined(outputsOf(create(false), [open])), [`check ${open.length}`]);
  }
});

function crcX25(bytes: Buffer): Buffer {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x8408 : crc >>> 1;
  }
  const value = Buffer.alloc(2);
  value.writeUInt16LE(~crc & 0xffff);
  return value;
}

// ---- line -----------------------------------------------------------------------------------------------------------

test('a line whose check is wrong is discarded whole, for every cut', () => {
  const check: Check = { type: 'xor8', from: 1, to: -3, at: -2, as: 'hex', strip: true, invert: false };
  const create = framersOf({ type: 'line', delimiter: '\n', max: 64 }, check);
  const stream = Buffer.from('9,A*11\r\n$GPA,1*4B\r\n$GPA,2*4B\r\n*\n$GPA,1*4b\n$GPA');
  const outputs = everyCut(create, stream, true);
  assert.deepEqual(joined(outputs), [
    'torn 7',
    `frame ${Buffer.from('$GPA,1*4B').toString('hex')} body ${Buffer.from('GPA,1').toString('hex')} 0`,
    'check 10',
    'check 1',
    `frame ${Buffer.from('$GPA,1*4b').toString('hex')} body ${Buffer.from('GPA,1').toString('hex')} 0`,
    'closed 4',
  ]);
});

// ---- slip -----------------------------------------------------------------------------------------------------------

const SLIP: Check = { type: 'sum8', from: 0, as: 'be', strip: true, invert: true };

for (const { escape, lines, wanted } of [
  {
    escape: 'rfc1055',
    // torn, sound with both escapes, empty, two bad escapes, wrong check, too long with an escape and without, cut off
    lines: '0102 c0 dbdcdbdd64 c0c0 01db02 c0 01db c0 0101 c0 dbdc010101 c0 0102030405060708090a0b c0 01db',
    wanted: [
      'torn 2',
      'frame c0db64 body c0db 0',
      'escape 3',
      'escape 2',
      'check 2',
      'oversize 5',
      'oversize 11',
      'closed 2',
    ],
  },
  {
    escape: 'hdlc',
    lines: '0102 7e 7d5e7d5d04 7e7e 7d31ee 7e 017d 7e 0101 7e 7d5e010101 7e 0102030405060708090a0b 7e 017d',
    wanted: [
      'torn 2',
      'frame 7e7d04 body 7e7d 0',
      'frame 11ee body 11 0',
      'escape 2',
      'check 2',
      'oversize 5',
      'oversize 11',
      'closed 2',
    ],
  },
] as const) {
  test(`slip, ${escape}: escapes are undone, and what is wrong is discarded by its reason, for every cut`, () => {
    const create = framersOf({ type: 'slip', escape, max: 3 }, SLIP);
    assert.deepEqual(joined(everyCut(create, hex(lines), true)), wanted);
  });

  test(`slip, ${escape}: what is escaped comes back, and each byte is counted with the escapes of good frames left out`, () => {
    const end = escape === 'hdlc' ? 0x7e : 0xc0;
    const stuffed = new Map(
      escape === 'hdlc'
        ? [
            [0x7e, [0x7d, 0x5e]],
            [0x7d, [0x7d, 0x5d]],
          ]
        : [
            [0xc0, [0xdb, 0xdc]],
            [0xdb, [0xdb, 0xdd]],
          ],
    );
    const frame = fc.array(fc.constantFrom(0x7e, 0x7d, 0xc0, 0xdb, 0xdc, 0x5e, 0x00), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), chunkSizes, (frames, sizes) => {
        const stream = Buffer.from(
          frames.flatMap((bytes) => [end, ...bytes.flatMap((byte) => stuffed.get(byte) ?? [byte]), end]),
        );
        const outputs = outputsOf(
          framersOf({ type: 'slip', escape, max: 12 }, undefined)(false),
          chunksOf(stream, sizes),
        );
        assert.deepEqual(
          framesOf(outputs),
          frames.map((bytes) => Buffer.from(bytes).toString('latin1')),
        );
        assert.equal(discardedOf(outputs), 0);
      }),
      { numRuns: 500 },
    );
  });

  test(`slip, ${escape}: any bytes are counted: frames, their escapes, delimiters and discarded`, () => {
    const end = escape === 'hdlc' ? 0x7e : 0xc0;
    const bytes = fc.array(fc.constantFrom(end, end, 0x7d, 0xdb, 0xdc, 0xdd, 0x01), { maxLength: 80 });
    fc.assert(
      fc.property(bytes, chunkSizes, fc.boolean(), (stream, sizes, startsTorn) => {
        const create = framersOf({ type: 'slip', escape, max: 4 }, undefined);
        const outputs = outputsOf(create(startsTorn), chunksOf(Buffer.from(stream), sizes));
        const again = outputsOf(create(startsTorn), [Buffer.from(stream)]);
        assert.deepEqual(joined(outputs), joined(again));
        // In a good frame each escaped byte, and no other, came as two.
        const escaped = escape === 'hdlc' ? undefined : /[\xc0\xdb]/g;
        if (escaped === undefined) return;
        const wire = framesOf(outputs).reduce((sum, text) => sum + text.length + (text.match(escaped)?.length ?? 0), 0);
        const ends = stream.filter((byte) => byte === end).length;
        assert.equal(wire + ends + discardedOf(outputs), stream.length);
      }),
      { numRuns: 1000 },
    );
  });
}

// ---- gap ------------------------------------------------------------------------------------------------------------

const MODBUS: Check = { type: 'crc', from: 0, as: 'le', strip: false, preset: 'modbus' };
const RESPONSE = hex('01 04 02 ff ff b8 80');

function gapFramer(startsTorn: boolean): Framer {
  return framersOf({ type: 'gap', silence: 20, max: 8 }, MODBUS)(startsTorn);
}

test('silence ends a frame, however it came', () => {
  const framer = gapFramer(false);
  assert.equal(framer.silenceMs, 20);
  for (let at = 0; at <= RESPONSE.length; at += 1) {
    const pushed = chunksOf(RESPONSE, [at]).flatMap((chunk) => framer.push(chunk));
    const outputs = [...pushed, ...(framer.silence?.() ?? [])];
    assert.deepEqual(outputs, [{ kind: 'frame', bytes: RESPONSE, body: RESPONSE }]);
  }
  assert.deepEqual(framer.silence?.(), []);
  assert.deepEqual(framer.end(), []);
});

test('what silence ends and is no frame is discarded with its reason', () => {
  const framer = gapFramer(true);
  const steps: [Buffer | 'silence' | 'end', string[]][] = [
    [hex('0304'), ['torn 2']],
    [hex('05'), ['torn 1']],
    ['silence', []],
    [hex('010402fffe'), []],
    ['silence', ['check 5']],
    [hex('01'), []],
    ['silence', ['check 1']],
    [hex('0102030405060708'), []],
    [hex('09'), ['oversize 9']],
    [hex('0a0b'), ['oversize 2']],
    ['silence', []],
    [RESPONSE, []],
    ['silence', [`frame ${RESPONSE.toString('hex')} body ${RESPONSE.toString('hex')} 0`]],
    [hex('0104'), []],
    ['end', ['closed 2']],
  ];
  for (const [step, wanted] of steps) {
    const outputs = step === 'end' ? framer.end() : step === 'silence' ? framer.silence?.() : framer.push(step);
    assert.deepEqual(joined(outputs ?? []), wanted);
  }
});
