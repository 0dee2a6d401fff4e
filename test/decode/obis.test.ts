/** Telegrams with OBIS codes as text: P1 of DSMR and ESMR, and data blocks of IEC 62056-21. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { obisDecoder } from '../../src/sensor/decode-obis.ts';
import { neverThrows, shown } from './decode-rig.ts';

const decoder = obisDecoder();

function telegram(lines: readonly string[], end = '\r\n'): string {
  return ['/FPX5\\2TEST-1000', '', ...lines, '!A1B2', ''].join(end);
}

const P1 = telegram([
  '1-3:0.2.8(50)',
  '0-0:1.0.0(261125143007W)',
  '0-0:96.1.1(4550303031)',
  '1-0:1.8.1(005779.835*kWh)',
  '0-0:96.14.0(0002)',
  '1-0:1.7.0(00.318*kW)',
  '1-0:99.97.0(2)(0-0:96.7.19)(260208152415W)(0000000240*s)(260517103004S)(0000000301*s)',
  '0-0:96.13.0()',
  '0-1:24.1.0(003)',
  '0-1:24.2.1(261125143000W)(12785.123*m3)',
]);

test('a P1 telegram comes by its codes, every digit as the meter wrote it', () => {
  assert.deepEqual(shown(decoder, P1), {
    id: 'text FPX5\\2TEST-1000',
    '1-3:0.2.8': 'text 50',
    '0-0:1.0.0': 'text 261125143007W',
    '0-0:96.1.1': 'text 4550303031',
    '1-0:1.8.1': 'text 005779.835',
    '1-0:1.8.1.unit': 'text kWh',
    '0-0:96.14.0': 'text 0002',
    '1-0:1.7.0': 'text 00.318',
    '1-0:1.7.0.unit': 'text kW',
    '1-0:99.97.0.0': 'text 2',
    '1-0:99.97.0.1': 'text 0-0:96.7.19',
    '1-0:99.97.0.2': 'text 260208152415W',
    '1-0:99.97.0.3': 'text 0000000240',
    '1-0:99.97.0.3.unit': 'text s',
    '1-0:99.97.0.4': 'text 260517103004S',
    '1-0:99.97.0.5': 'text 0000000301',
    '1-0:99.97.0.5.unit': 'text s',
    '1-0:99.97.0': 'text 0000000301',
    '1-0:99.97.0.unit': 'text s',
    '0-0:96.13.0': 'text ',
    '0-1:24.1.0': 'text 003',
    '0-1:24.2.1.0': 'text 261125143000W',
    '0-1:24.2.1.1': 'text 12785.123',
    '0-1:24.2.1.1.unit': 'text m3',
    '0-1:24.2.1': 'text 12785.123',
    '0-1:24.2.1.unit': 'text m3',
  });
  assert.deepEqual(shown(decoder, P1.replaceAll('\r\n', '\n')), shown(decoder, P1));
});

test('a value on a line of its own belongs to the code above it, as DSMR 2 and 3 write gas', () => {
  const gas = shown(decoder, telegram(['0-1:24.3.0(121030140000)(00)(60)(1)(0-1:24.2.1)(m3)', '(00024.123)']));
  assert.ok(typeof gas === 'object');
  assert.equal(gas['0-1:24.3.0'], 'text 00024.123');
  assert.equal(gas['0-1:24.3.0.5'], 'text m3');
  assert.equal(gas['0-1:24.3.0.6'], 'text 00024.123');
});

test('a data block has no identification, codes without a medium, and several data sets on a line', () => {
  const block = '\u0002F.F(00000000)\r\n0.0.0(00123456)1.8.0(00123.456*kWh)\r\n1.8.0*12(00120.000)\r\n!\r\n\u0003';
  const wanted = {
    'F.F': 'text 00000000',
    '0.0.0': 'text 00123456',
    '1.8.0': 'text 00123.456',
    '1.8.0.unit': 'text kWh',
    '1.8.0*12': 'text 00120.000',
  };
  // The block check may be any byte, "!" and line ends too.
  for (const check of ['', '\u0000', '\n', '!', '(', '\u007f']) assert.deepEqual(shown(decoder, block + check), wanted);
  assert.deepEqual(shown(decoder, block.slice(1)), wanted);
  assert.deepEqual(shown(decoder, `/FPX5METER\r\n${block}`), { id: 'text FPX5METER', ...wanted });
});

test('of a maximum with its time, both have their place', () => {
  assert.deepEqual(shown(decoder, '1.6.1(0012.345*kW)(2611251215)\r\n!'), {
    '1.6.1': 'text 2611251215',
    '1.6.1.0': 'text 0012.345',
    '1.6.1.0.unit': 'text kW',
    '1.6.1.1': 'text 2611251215',
  });
});

test('a code that comes again is fine with the same value and invalid with another', () => {
  assert.deepEqual(shown(decoder, '1.8.0(1*kWh)\n1.8.0(1*kWh)\n!'), { '1.8.0': 'text 1', '1.8.0.unit': 'text kWh' });
  for (const lines of ['1.8.0(1)\n1.8.0(2)', '1.8.0(1*kWh)1.8.0(1*Wh)', '1.8(5)(6)\n1.8.1(7)']) {
    assert.equal(shown(decoder, `${lines}\n!`), 'a name with two values', lines);
  }
});

test('what is no telegram is refused with its reason', () => {
  for (const [frame, reason] of [
    ['', 'no "!" at the end'],
    ['1.8.0(1)\r\n', 'no "!" at the end'],
    ['!', 'no data sets'],
    ['/FPX5METER\r\n!', 'no data sets'],
    ['/FPX5METER!', 'a line that is no data set'],
    ['1.8.0(1\r\n!', 'a line that is no data set'],
    ['1.8.0 1)\r\n!', 'a line that is no data set'],
    ['1.8.0(1)x\r\n!', 'a line that is no data set'],
    ['1.8.0((1))\r\n!', 'a line that is no data set'],
    ['1.8.0\r\n(1)!', 'a line that is no data set'],
    [`${'1'.repeat(33)}(1)!`, 'a line that is no data set'],
    ['/A\r\n1.8.0(1)\r\n/B\r\n!', 'a line that is no data set'],
    ['(1)\r\n!', 'a value without a code'],
    ['1.8.0(1)\r\n!1234\r\n/FPX', 'something else behind "!"'],
    ['1.8.0(1)\r\n!12345', 'something else behind "!"'],
    ['1.8.0(\u00b1)\r\n!', 'not 7-bit text'],
    ['1.8.0(\u0007)\r\n!', 'not 7-bit text'],
    ['/\u00c1\r\n1.8.0(1)\r\n!', 'not 7-bit text'],
    ['1.8.0(1)\r1.8.1(1)\r\n!', 'not 7-bit text'],
    [`1.8.0${'(1)'.repeat(33)}\r\n!`, 'more than 32 values of one code'],
    [`1.8.0${'(1)\r\n'.repeat(33)}!`, 'more than 32 values of one code'],
    [`${Array.from({ length: 513 }, (_, index) => `1.8.${index}(1)`).join('\n')}!`, 'more than 512 data sets'],
  ] as const) {
    assert.equal(shown(decoder, frame), reason, frame.slice(0, 40));
  }
  assert.ok(typeof shown(decoder, `1.8.0${'(1)'.repeat(32)}\r\n!`) === 'object');
});

test('whatever data sets are written, in whatever lines, are read back', () => {
  const plain = fc.stringMatching(/^[0-9A-Za-z.:-]{0,12}$/);
  const group = fc.record({
    value: plain,
    unit: fc.option(fc.stringMatching(/^[A-Za-z0-9]{1,4}$/), { nil: undefined }),
  });
  const dataSet = fc.record({ groups: fc.array(group, { minLength: 1, maxLength: 4 }), breaks: fc.boolean() });
  fc.assert(
    fc.property(fc.array(dataSet, { minLength: 1, maxLength: 20 }), (dataSets) => {
      const wanted: Record<string, string> = {};
      let text = '';
      for (const [index, { groups, breaks }] of dataSets.entries()) {
        const code = `C${index}-0:1.8`;
        text += `${code}${groups.map(({ value, unit }) => `(${value}${unit === undefined ? '' : `*${unit}`})`).join('')}`;
        if (breaks) text += '\r\n';
        const names = groups.map((one, place): [string, typeof one] => [`${code}.${place}`, one]);
        for (const [name, { value, unit }] of [...(groups.length > 1 ? names : []), [code, groups.at(-1)!] as const]) {
          wanted[name] = `text ${value}`;
          if (unit !== undefined) wanted[`${name}.unit`] = `text ${unit}`;
        }
      }
      assert.deepEqual(shown(decoder, `${text}!`), wanted);
    }),
    { numRuns: 500 },
  );
});

test('no bytes whatever make it throw, and the longest frame of brackets costs one pass', () => {
  neverThrows(decoder, Buffer.from(P1, 'latin1'));
  for (const piece of ['(', ')(', '()', '1(', '1.8.0(1)', '\r\n', '/']) {
    const frame = piece.repeat(16_384 / piece.length);
    assert.equal(typeof shown(decoder, `${frame}!`), 'string', piece);
  }
});
