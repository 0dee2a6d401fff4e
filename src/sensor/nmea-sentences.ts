/**
 * The fields of the common NMEA 0183 sentences, in their order, and what becomes of them. Numbers keep the digits that were
 * sent. Positions become signed degrees with seven decimals (a centimetre), rounded half to even without any float. A date
 * is `2026-11-25` and a time `12:35:19.00`, both UTC; of a year's two digits, 80 and above are of the last century.
 */
import { formatDecimal, parseDecimal } from './decimal.ts';
import type { Scalar } from './record.ts';

type Value = Scalar | 'absent' | 'malformed';

export interface Field {
  readonly name: string;
  /** Values of the sentence that make up the field. */
  readonly width: number;
  /** Takes as many values as `width` says, or fewer where the sentence ends. */
  readonly read: (values: readonly string[]) => Value;
}

const POSITION_DECIMALS = 7;

const lat = field('lat', 2, ([value = '', side = '']) => position(value, side, 'N', 'S'));
const lon = field('lon', 2, ([value = '', side = '']) => position(value, side, 'E', 'W'));
const time = field('time', 1, ([value = '']) => timeOfDay(value));
const status = text('status');
const mode = text('mode');

/** By type. Units stand in the comments where the sentence has but one. */
export const SENTENCES: ReadonlyMap<string, readonly Field[]> = new Map([
  // Speed in knots; course and variation in degrees, variation to the west negative.
  [
    'RMC',
    [time, status, lat, lon, number('speed'), number('course'), shortDate(), variation(), mode, text('navStatus')],
  ],
  // Metres above mean sea level, and of that above the ellipsoid; seconds since the last differential correction.
  [
    'GGA',
    [
      time,
      lat,
      lon,
      number('quality'),
      number('satellites'),
      number('hdop'),
      measure('altitude', 'M'),
      measure('geoid', 'M'),
      number('correctionAge'),
      text('correctionStation'),
    ],
  ],
  ['GLL', [lat, lon, time, status, mode]],
  // Degrees, true and magnetic; knots and kilometres per hour.
  [
    'VTG',
    [measure('course', 'T'), measure('courseMagnetic', 'M'), measure('speed', 'N'), measure('speedKmh', 'K'), mode],
  ],
  ['GSA', [mode, number('fix'), satellites(), number('pdop'), number('hdop'), number('vdop'), text('system')]],
  ['ZDA', [time, longDate(), text('zoneHours'), text('zoneMinutes')]],
  ['HDT', [measure('heading', 'T')]],
  // Depth below the transducer, metres.
  ['DBT', [measure('feet', 'f'), measure('depth', 'M'), measure('fathoms', 'F')]],
  // Metres.
  ['DPT', [number('depth'), number('offset'), number('range')]],
  ['MTW', [number('temperature'), text('temperature.unit')]],
  ['MWV', [number('angle'), text('reference'), number('speed'), text('speed.unit'), status]],
]);

function field(name: string, width: number, read: Field['read']): Field {
  return { name, width, read: (values) => (values.every((value) => value === '') ? 'absent' : read(values)) };
}

function text(name: string): Field {
  return field(name, 1, ([value = '']) => ({ kind: 'text', text: value }));
}

function number(name: string): Field {
  return field(name, 1, ([value = '']) => numeric(value));
}

/** A number, and the letter that says of what. */
function measure(name: string, letter: string): Field {
  return field(name, 2, ([value = '', unit = '']) => {
    if (unit !== '' && unit !== letter) return 'malformed';
    return value === '' ? 'absent' : numeric(value);
  });
}

function variation(): Field {
  return field('variation', 2, ([value = '', side = '']) => {
    if (value === '') return 'absent';
    if (side !== 'E' && side !== 'W') return 'malformed';
    return numeric(side === 'W' && /[1-9]/.test(value) ? `-${value}` : value);
  });
}

/** Those that the position is made of, by number, with blanks between. */
function satellites(): Field {
  return field('satellites', 12, (values) => ({
    kind: 'text',
    text: values.filter((value) => value !== '').join(' '),
  }));
}

function shortDate(): Field {
  return field('date', 1, ([value = '']) => {
    const [, day = '', month = '', year = ''] = /^(\d\d)(\d\d)(\d\d)$/.exec(value) ?? [];
    return isoDate(`${Number(year) >= 80 ? '19' : '20'}${year}`, month, day);
  });
}

function longDate(): Field {
  return field('date', 3, ([day = '', month = '', year = '']) =>
    isoDate(year, month.padStart(2, '0'), day.padStart(2, '0')),
  );
}

function numeric(value: string): Value {
  return parseDecimal(value) === undefined ? 'malformed' : { kind: 'number', text: value };
}

function timeOfDay(value: string): Value {
  const [, hour, minute, second, fraction = ''] = /^([01]\d|2[0-3])([0-5]\d)([0-5]\d|60)(\.\d+)?$/.exec(value) ?? [];
  return hour === undefined ? 'malformed' : { kind: 'string', text: `${hour}:${minute}:${second}${fraction}` };
}

/** Malformed for a day that the calendar does not have. */
function isoDate(year: string, month: string, day: string): Value {
  const date = `${year}-${month}-${day}`;
  const atMs = Date.parse(`${date}T00:00:00Z`);
  if (!/^\d{4}-\d\d-\d\d$/.test(date) || Number.isNaN(atMs)) return 'malformed';
  return new Date(atMs).toISOString().startsWith(date) ? { kind: 'string', text: date } : 'malformed';
}

/** Degrees and minutes are written as one number, `dddmm.mmmm`; of a latitude with two digits of degrees. */
function position(value: string, side: string, positive: 'N' | 'E', negative: 'S' | 'W'): Value {
  if (value === '') return 'absent';
  const most = positive === 'N' ? 90 : 180;
  const [, degrees, minutes = '', fraction = ''] = /^(\d{2,3})(\d\d)(?:\.(\d{1,12}))?$/.exec(value) ?? [];
  if (degrees?.length !== String(most).length || Number(minutes) >= 60) return 'malformed';
  if (side !== positive && side !== negative) return 'malformed';
  const unit = 60n * 10n ** BigInt(fraction.length);
  const inUnits = BigInt(degrees) * unit + BigInt(minutes + fraction);
  if (inUnits > BigInt(most) * unit) return 'malformed';
  const digits = roundedHalfEven(inUnits * 10n ** BigInt(POSITION_DECIMALS), unit);
  const signed = side === positive ? digits : -digits;
  return { kind: 'number', text: formatDecimal({ digits: signed, decimals: POSITION_DECIMALS }) };
}

/** Neither is negative. */
function roundedHalfEven(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  const twice = (dividend % divisor) * 2n;
  const up = twice > divisor || (twice === divisor && quotient % 2n === 1n);
  return up ? quotient + 1n : quotient;
}
