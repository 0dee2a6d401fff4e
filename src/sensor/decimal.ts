/**
 * Exact arithmetic on decimal text, for values that money depends on. 1010 x 0.001 is "1.010": no digit is made up and
 * none is trimmed. Exponents are written out ("1.2e3" is "1200"). At most 64 digits go in or come out.
 */

/** `digits` x 10^-`decimals`; `decimals` may be negative on the way. */
export interface Decimal {
  readonly digits: bigint;
  readonly decimals: number;
}

export const DIGITS_MAX = 64;

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/;
/** What is kept exactly as the meter wrote it, with its leading zeros: "005779.835". */
const PLAIN = /^-?\d+(?:\.\d+)?$/;
/** Sign, point and exponent beside the digits. */
const TEXT_MAX = DIGITS_MAX + 8;

/** Undefined when the text is no decimal number, or has too many digits written out. */
export function parseDecimal(text: string): Decimal | undefined {
  if (text.length > TEXT_MAX) return undefined;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = DECIMAL.exec(text) ?? [];
  const digits = whole + fraction;
  if (digits === '' || digits.length > DIGITS_MAX) return undefined;
  const magnitude = BigInt(digits);
  return bounded({ digits: sign === '-' ? -magnitude : magnitude, decimals: fraction.length - Number(exponent) });
}

/** The number as the meter wrote it where that is plain, else written out; undefined when it is no decimal number. */
export function plainDecimal(text: string): string | undefined {
  const decimal = parseDecimal(text);
  if (decimal === undefined) return undefined;
  return PLAIN.test(text) ? text : formatDecimal(decimal);
}

/** The exact product; undefined when it has too many digits. */
export function multiplyDecimals(left: Decimal, right: Decimal): Decimal | undefined {
  return bounded({ digits: left.digits * right.digits, decimals: left.decimals + right.decimals });
}

/** The exact difference; undefined when it has too many digits. */
export function subtractDecimals(left: Decimal, right: Decimal): Decimal | undefined {
  const decimals = Math.max(left.decimals, right.decimals);
  return bounded({ digits: digitsAt(left, decimals) - digitsAt(right, decimals), decimals });
}

/** Negative, 0 or positive as `left` is less than, equal to or greater than `right`. */
export function compareDecimals(left: Decimal, right: Decimal): number {
  const decimals = Math.max(left.decimals, right.decimals);
  const difference = digitsAt(left, decimals) - digitsAt(right, decimals);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

export function formatDecimal(decimal: Decimal): string {
  const decimals = Math.max(0, decimal.decimals);
  const digits = digitsAt(decimal, decimals);
  const text = (digits < 0n ? -digits : digits).toString().padStart(decimals + 1, '0');
  const sign = digits < 0n ? '-' : '';
  if (decimals === 0) return sign + text;
  return `${sign}${text.slice(0, -decimals)}.${text.slice(-decimals)}`;
}

/** The whole number that the decimal is; undefined when it has a fraction. */
export function wholeOf(decimal: Decimal): bigint | undefined {
  if (decimal.decimals <= 0) return digitsAt(decimal, 0);
  const unit = 10n ** BigInt(decimal.decimals);
  return decimal.digits % unit === 0n ? decimal.digits / unit : undefined;
}

/** The digits of the same number with this many decimals, not fewer than it has. */
function digitsAt(decimal: Decimal, decimals: number): bigint {
  return decimal.digits * 10n ** BigInt(decimals - decimal.decimals);
}

/** The decimal, unless it has more than 64 digits when written out. */
function bounded(decimal: Decimal): Decimal | undefined {
  const { digits, decimals } = decimal;
  const length = (digits < 0n ? -digits : digits).toString().length;
  const whole = Math.max(length - decimals, 1);
  return whole + Math.max(decimals, 0) > DIGITS_MAX ? undefined : decimal;
}
