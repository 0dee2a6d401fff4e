/** Decimals: exact against whole-number arithmetic, nothing trimmed, everything bounded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  compareDecimals,
  type Decimal,
  formatDecimal,
  multiplyDecimals,
  parseDecimal,
  plainDecimal,
  wholeOf,
} from '../src/sensor/decimal.ts';

function parsed(text: string): Decimal {
  const decimal = parseDecimal(text);
  assert.ok(decimal !== undefined, text);
  return decimal;
}

function product(left: string, right: string): string | undefined {
  const decimal = multiplyDecimals(parsed(left), parsed(right));
  return decimal === undefined ? undefined : formatDecimal(decimal);
}

const digits = (max: number): fc.Arbitrary<string> =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: max }).map((each) => each.join(''));
const decimalText = fc
  .tuple(fc.constantFrom('', '-'), digits(15), fc.option(digits(12), { nil: undefined }))
  .map(([sign, whole, fraction]) => (fraction === undefined ? sign + whole : `${sign}${whole}.${fraction}`));

/** Independent: digits as one whole number, decimals counted. */
function split(text: string): { readonly whole: bigint; readonly decimals: number } {
  const [before = '', after = ''] = text.replace('-', '').split('.');
  const whole = BigInt(before + after);
  return { whole: text.startsWith('-') ? -whole : whole, decimals: after.length };
}

test('1010 x 0.001 is 1.010', () => {
  assert.equal(product('1010', '0.001'), '1.010');
  assert.equal(product('005779.835', '1000'), '5779835.000');
  assert.equal(product('-7', '0.1'), '-0.7');
  assert.equal(product('0', '0.01'), '0.00');
  assert.equal(product('-0', '0.01'), '0.00');
});

test('a product is that of the whole numbers, with the decimals of both', () => {
  fc.assert(
    fc.property(decimalText, decimalText, (left, right) => {
      const [one, other] = [split(left), split(right)];
      const decimals = one.decimals + other.decimals;
      const found = product(left, right);
      assert.ok(found !== undefined);
      assert.equal(found.split('.')[1]?.length ?? 0, decimals);
      assert.equal(split(found).whole, one.whole * other.whole);
    }),
    { numRuns: 3000 },
  );
});

test('order and whole numbers are those of the exact values', () => {
  fc.assert(
    fc.property(decimalText, decimalText, (left, right) => {
      const [one, other] = [split(left), split(right)];
      const difference = one.whole * 10n ** BigInt(other.decimals) - other.whole * 10n ** BigInt(one.decimals);
      assert.equal(
        Math.sign(compareDecimals(parsed(left), parsed(right))),
        Number(difference > 0n) - Number(difference < 0n),
      );
      const unit = 10n ** BigInt(one.decimals);
      assert.equal(wholeOf(parsed(left)), one.whole % unit === 0n ? one.whole / unit : undefined);
    }),
    { numRuns: 2000 },
  );
});

test('what the meter wrote plainly stays as it is', () => {
  fc.assert(fc.property(decimalText, (text) => assert.equal(plainDecimal(text), text)));
  assert.equal(plainDecimal('005779.835'), '005779.835');
});

test('exponents and odd spellings are written out exactly', () => {
  for (const [text, plain] of [
    ['1.2e3', '1200'],
    ['1.50E1', '15.0'],
    ['15e-3', '0.015'],
    ['+5', '5'],
    ['.5', '0.5'],
    ['-5.', '-5'],
  ] as const) {
    assert.equal(plainDecimal(text), plain);
  }
});

test('what is no decimal number, or is too long, is refused', () => {
  const sixtyFour = '9'.repeat(64);
  assert.equal(plainDecimal(sixtyFour), sixtyFour);
  assert.equal(multiplyDecimals(parsed(sixtyFour), parsed('10')), undefined);
  for (const text of [
    '',
    '.',
    '-',
    'e3',
    '1,5',
    '1 2',
    ' 1',
    '0x10',
    'NaN',
    'Infinity',
    '1e',
    '1e999',
    '0e-999',
    '\u0661',
    `${sixtyFour}9`,
    `1e-${'9'.repeat(5000)}`,
    '1'.repeat(100_000),
  ]) {
    assert.equal(plainDecimal(text), undefined, text.slice(0, 20));
  }
});
