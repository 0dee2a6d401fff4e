/** SML files: written by sml-writer.ts, read back, and spoilt. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { crc16X25 } from '../../src/sensor/crc16-x25.ts';
import { smlDecoder } from '../../src/sensor/decode-sml.ts';
import { neverThrows, shown } from './decode-rig.ts';
import * as sml from './sml-writer.ts';

const decoder = smlDecoder();
const SERVER = Buffer.from('0a01465058000012ab34', 'hex');

function obis(...octets: readonly number[]): Buffer {
  return Buffer.from(octets);
}

/** A meter's file with these entries. */
function fileOf(entries: readonly Buffer[]): Buffer {
  return sml.file([sml.openResponse(SERVER), sml.values(SERVER, entries), sml.closeResponse()]);
}

function valueOf(entry: Omit<sml.Entry, 'name'>): Record<string, string> | string {
  const found = shown(decoder, fileOf([sml.entry({ name: obis(1, 0, 1, 8, 0, 255), ...entry })]));
  if (typeof found === 'string') return found;
  const { server, ...rest } = found;
  assert.equal(server, `string ${SERVER.toString('hex')}`);
  return rest;
}

test("a meter's file comes by OBIS codes, with exact values, units and status", () => {
  const file = fileOf([
    sml.entry({ name: obis(129, 129, 199, 130, 3, 255), value: sml.octets(Buffer.from('FPX')) }),
    sml.entry({ name: obis(1, 0, 96, 1, 0, 255), value: sml.octets(SERVER) }),
    sml.entry({
      name: obis(1, 0, 1, 8, 0, 255),
      status: sml.unsigned(0x1c0104n),
      unit: 30,
      scaler: -1,
      value: sml.unsigned(1_234_567_890n, 8),
    }),
    sml.entry({ name: obis(1, 0, 1, 8, 0, 12), unit: 30, scaler: 3, value: sml.integer(7n) }),
    sml.entry({ name: obis(1, 0, 16, 7, 0, 255), unit: 27, scaler: 0, value: sml.integer(-350n) }),
    sml.entry({ name: obis(1, 0, 32, 7, 0, 255), unit: 35, scaler: -1, value: sml.unsigned(2300n) }),
  ]);
  assert.deepEqual(shown(decoder, file), {
    server: `string ${SERVER.toString('hex')}`,
    '129-129:199.130.3': 'string FPX',
    '1-0:96.1.0': `string ${SERVER.toString('hex')}`,
    '1-0:1.8.0': 'number 123456789.0',
    '1-0:1.8.0.unit': 'string Wh',
    '1-0:1.8.0.status': 'number 1835268',
    '1-0:1.8.0*12': 'number 7000',
    '1-0:1.8.0*12.unit': 'string Wh',
    '1-0:16.7.0': 'number -350',
    '1-0:16.7.0.unit': 'string W',
    '1-0:32.7.0': 'number 230.0',
    '1-0:32.7.0.unit': 'string V',
  });
});

/** What libsml 1 made of a file of sml-writer.ts: read by it, and written again in its own manner, with tags of four bytes. */
const BY_LIBSML = [
  '76037431620062007265000001017601010366310b0a01465058000012ab34010163b3450076037431620062007265000007',
  '0177010b0a01465058000012ab3401726201650001e2407477078181c78203ff01010101044650580177070100010800ff65',
  '001c010401621e52ff6900000000499602d20177070100100700ff0101621b520053fea20177070100600505ff0101010182',
  '0a61616161616161616161616161616161616161616161616161616161616161616161616161616161010101630c8a007603',
  '743162006200726500000201710163888900',
].join('');

test('a file that another implementation wrote comes by its values', () => {
  assert.deepEqual(shown(decoder, Buffer.from(BY_LIBSML, 'hex')), {
    server: `string ${SERVER.toString('hex')}`,
    '129-129:199.130.3': 'string FPX',
    '1-0:1.8.0': 'number 123456789.0',
    '1-0:1.8.0.unit': 'string Wh',
    '1-0:1.8.0.status': 'number 1835268',
    '1-0:16.7.0': 'number -350',
    '1-0:16.7.0.unit': 'string W',
    '1-0:96.5.5': `string ${'a'.repeat(40)}`,
  });
});

test('the check is CRC-16/X-25 by its check value', () => {
  assert.equal(crc16X25(Buffer.from('123456789')), 0x906e);
});

test('whole numbers of 1 to 8 bytes come with their sign and every digit', () => {
  const sizes = fc.integer({ min: 1, max: 8 });
  const power = fc.integer({ min: -20, max: 20 });
  fc.assert(
    fc.property(
      sizes,
      fc.boolean(),
      power,
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      (bytes, signed, scaler, seed) => {
        const number = signed ? BigInt.asIntN(bytes * 8, seed) : BigInt.asUintN(bytes * 8, seed);
        const value = signed ? sml.integer(number, bytes) : sml.unsigned(number, bytes);
        const found = valueOf({ value, scaler });
        assert.ok(typeof found === 'object');
        const text = found['1-0:1.8.0']?.slice('number '.length) ?? '';
        const [, fraction = ''] = text.split('.');
        assert.equal(fraction.length, Math.max(0, -scaler));
        assert.equal(BigInt(text.replace('.', '')), number * 10n ** BigInt(Math.max(0, scaler)));
      },
    ),
    { numRuns: 500 },
  );
});

test('values that are no numbers: switches, text, octets; a time or nothing is absent', () => {
  assert.deepEqual(valueOf({ value: sml.boolean(true) }), { '1-0:1.8.0': 'boolean true' });
  assert.deepEqual(valueOf({ value: sml.boolean(false) }), { '1-0:1.8.0': 'boolean false' });
  assert.deepEqual(valueOf({ value: sml.octets(Buffer.from('1EMH00 4')) }), { '1-0:1.8.0': 'string 1EMH00 4' });
  assert.deepEqual(valueOf({ value: sml.octets(Buffer.from('00ff41', 'hex')) }), { '1-0:1.8.0': 'string 00ff41' });
  assert.deepEqual(valueOf({ value: sml.octets(Buffer.alloc(300, 0x61)) }), {
    '1-0:1.8.0': `string ${'a'.repeat(300)}`,
  });
  assert.deepEqual(valueOf({ value: sml.ABSENT, unit: 30 }), {});
  assert.deepEqual(valueOf({ value: sml.list([sml.unsigned(1n), sml.unsigned(99n, 4)]), unit: 7 }), {});
  assert.deepEqual(valueOf({ value: sml.unsigned(5n) }), { '1-0:1.8.0': 'number 5' });
});

test('a unit is a word, its number where there is none, and absent for a mere count', () => {
  for (const [unit, word] of [
    [8, 'deg'],
    [9, 'Cel'],
    [10, '10'],
    [13, 'm3'],
    [19, 'l'],
    [27, 'W'],
    [28, 'VA'],
    [29, 'var'],
    [30, 'Wh'],
    [31, 'VAh'],
    [32, 'varh'],
    [33, 'A'],
    [35, 'V'],
    [44, 'Hz'],
    [52, 'K'],
    [56, '%'],
    [0, '0'],
    [200, '200'],
    [255, undefined],
  ] as const) {
    const found = valueOf({ value: sml.unsigned(5n), unit });
    assert.ok(typeof found === 'object');
    assert.equal(found['1-0:1.8.0.unit'], word === undefined ? undefined : `string ${word}`, String(unit));
  }
});

test('a name that is no OBIS code comes as hexadecimal digits', () => {
  const found = shown(decoder, fileOf([sml.entry({ name: Buffer.from('010203', 'hex'), value: sml.unsigned(5n) })]));
  assert.ok(typeof found === 'object');
  assert.equal(found['010203'], 'number 5');
});

test('a code that comes again is fine with the same value and invalid with another', () => {
  const five = sml.entry({ name: obis(1, 0, 1, 8, 0, 255), unit: 30, value: sml.unsigned(5n) });
  const six = sml.entry({ name: obis(1, 0, 1, 8, 0, 255), unit: 30, value: sml.unsigned(6n) });
  assert.ok(typeof shown(decoder, fileOf([five, five])) === 'object');
  assert.equal(shown(decoder, fileOf([five, six])), 'a name with two values');
  const other = sml.values(Buffer.from('0b', 'hex'), []);
  assert.equal(shown(decoder, sml.file([sml.values(SERVER, [five]), other])), 'a name with two values');
});

test('any one wrong bit in a message is found by its CRC; a message without one is taken as it is', () => {
  const body = sml.values(SERVER, [sml.entry({ name: obis(1, 0, 1, 8, 0, 255), value: sml.unsigned(5n, 4) })]);
  const good = sml.message(body);
  const wanted = shown(decoder, good);
  assert.ok(typeof wanted === 'object');
  for (let bit = 0; bit < good.length * 8; bit += 1) {
    const bad = Buffer.from(good);
    bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(typeof shown(decoder, bad), 'string', `bit ${bit}`);
  }
  assert.deepEqual(shown(decoder, sml.message(body, sml.ABSENT)), wanted);
  const crc = good.subarray(-3, -1);
  const turned = Buffer.from([0x63, crc[1] ?? 0, crc[0] ?? 0]);
  assert.equal(shown(decoder, sml.message(body, turned)), 'the CRC of a message is wrong');
  assert.equal(shown(decoder, sml.message(body, sml.octets(crc))), 'the CRC of a message is wrong');
});

test('a CRC whose first byte is 0 may be sent without it', () => {
  for (let number = 0n; number < 2000n; number += 1n) {
    const body = sml.values(SERVER, [sml.entry({ name: obis(1, 0, 1, 8, 0, 255), value: sml.unsigned(number, 4) })]);
    const good = sml.message(body);
    if (good.at(-3) !== 0) continue;
    const short = sml.message(body, Buffer.from([0x62, good.at(-2) ?? 0]));
    assert.deepEqual(shown(decoder, short), shown(decoder, good));
    return;
  }
  assert.fail('no such CRC was found');
});

test('what is no SML file is refused with its reason', () => {
  const list = sml.values(SERVER, []);
  const good = sml.file([list]);
  const entries = Array.from({ length: 513 }, (_, index) =>
    sml.entry({ name: Buffer.from([1, 0, index >> 8, index & 255, 0, 255]), value: sml.unsigned(1n) }),
  );
  const wrongList = sml.list([sml.unsigned(0x0701n), sml.list([sml.ABSENT])]);
  const wrongEntry = sml.values(SERVER, [sml.list([sml.octets(obis(1, 0, 1, 8, 0, 255)), sml.unsigned(5n)])]);
  const hugeEntry = sml.entry({ name: obis(1, 0, 1, 8, 0, 255), scaler: 127, value: sml.unsigned(5n) });
  for (const [file, reason] of [
    [Buffer.alloc(0), 'no list of values'],
    [Buffer.alloc(3), 'no list of values'],
    [Buffer.alloc(4), 'not an SML message'],
    [sml.file([sml.openResponse(SERVER), sml.closeResponse()]), 'no list of values'],
    [Buffer.concat([good, Buffer.alloc(4)]), 'not an SML message'],
    [Buffer.concat([good, Buffer.from('x')]), 'not an SML message'],
    [good.subarray(0, 20), 'not an SML message'],
    [good.subarray(1), 'not an SML message'],
    [sml.octets(Buffer.from('text')), 'not an SML message'],
    [sml.file([sml.unsigned(5n)]), 'not an SML message'],
    [sml.file([wrongList]), 'not a list of values'],
    [sml.file([wrongEntry]), 'an entry that is none'],
    [fileOf([hugeEntry]), 'an entry that is none'],
    [fileOf(entries), 'more than 512 entries'],
    [sml.file(Array.from({ length: 65 }, () => list)), 'more than 64 messages'],
  ] as const) {
    assert.equal(shown(decoder, file), reason, file.toString('hex', 0, 40));
  }
});

test('lengths that lie, or are written at length, and lists without end cost one pass and no stack', () => {
  for (const hex of [
    '70'.repeat(8),
    '7f'.repeat(10_000),
    'ff'.repeat(10_000),
    'f1'.repeat(10_000),
    '71'.repeat(10_000),
  ]) {
    assert.equal(shown(decoder, Buffer.from(hex, 'hex')), 'not an SML message');
  }
  for (const hex of ['8f8f8f0f', 'ff8f8f8f0f', '5a', '51', '41', '434142', '2101', '8101']) {
    assert.equal(shown(decoder, Buffer.from(`76${hex}`, 'hex')), 'not an SML message', hex);
  }
  const deep = (levels: number): Buffer => (levels === 0 ? sml.unsigned(1n) : sml.list([deep(levels - 1)]));
  assert.deepEqual(valueOf({ value: deep(2) }), {});
  assert.equal(valueOf({ value: deep(3) }), 'not an SML message');
  const spare = sml.list(
    [
      sml.unsigned(0x0701n),
      sml.list([sml.ABSENT, sml.ABSENT, sml.ABSENT, sml.ABSENT, sml.list([], 2), sml.ABSENT, sml.ABSENT], 1),
    ],
    1,
  );
  assert.deepEqual(shown(decoder, sml.file([spare])), {});
});

test('no bytes whatever make it throw, with a right CRC either', () => {
  const good = fileOf([
    sml.entry({
      name: obis(1, 0, 1, 8, 0, 255),
      status: sml.unsigned(4n),
      unit: 30,
      scaler: -1,
      value: sml.unsigned(5n),
    }),
  ]);
  neverThrows(decoder, good);
  const leaf = fc.oneof(
    fc.constant(sml.ABSENT),
    fc.uint8Array({ maxLength: 8 }).map((bytes) => sml.octets(Buffer.from(bytes))),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((number) => sml.integer(number)),
    fc.constant(sml.unsigned(0x0701n)),
    fc.boolean().map((value) => sml.boolean(value)),
  );
  const tree = fc.letrec<{ node: Buffer }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 5 },
      leaf,
      fc.array(tie('node'), { maxLength: 8 }).map((nodes) => sml.list(nodes)),
    ),
  })).node;
  fc.assert(
    fc.property(tree, fc.array(tree, { maxLength: 7 }), (body, parts) => {
      decoder(sml.file([body]));
      decoder(sml.file([sml.list([sml.unsigned(0x0701n), sml.list(parts)])]));
      decoder(sml.file([sml.values(SERVER, parts)]));
      decoder(sml.file([sml.values(SERVER, [sml.list(parts)])]));
    }),
    { numRuns: 1000 },
  );
});
