/**
 * NMEA 0183 against an independent decoder: gpsd's `gpsdecode` (Debian: gpsd-clients) reads the same sentences, and its
 * time, position, speed, course, altitude and fix must be ours, field by field.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { nmeaDecoder } from '../../src/sensor/decode-nmea.ts';

const decoder = nmeaDecoder();
const KNOT_MPS = 1852 / 3600;
const EPOCHS = 150;

/** gpsd speaks of a moment only when it has seen how the receiver's cycle ends: it passes over the first. */
const UNSAID = 1;

interface Epoch {
  readonly time: string;
  readonly rmc: string;
  readonly gga: string;
}

interface Report {
  readonly class: string;
  readonly time: string;
  readonly lat: number;
  readonly lon: number;
  readonly speed: number;
  readonly track: number;
  readonly altMSL: number;
  readonly geoidSep: number;
  readonly magvar: number;
}

function sentence(body: string): string {
  const check = Buffer.from(body).reduce((sum, byte) => sum ^ byte, 0);
  return `$${body}*${check.toString(16).toUpperCase().padStart(2, '0')}`;
}

function digits(number: number, length: number): string {
  return String(number).padStart(length, '0');
}

const place = fc.record({
  north: fc.boolean(),
  latMinutes: fc.nat(90 * 60 - 1),
  latFraction: fc.nat(99_999),
  east: fc.boolean(),
  lonMinutes: fc.nat(180 * 60 - 1),
  lonFraction: fc.nat(99_999),
  // In tenths.
  speed: fc.nat(9999),
  course: fc.nat(3599),
  altitude: fc.integer({ min: -4000, max: 90_000 }),
  geoid: fc.integer({ min: -1000, max: 800 }),
  // Not 0: gpsd takes that for "not known" and puts in what its model of the earth says.
  variation: fc.integer({ min: 1, max: 300 }),
  west: fc.boolean(),
});

type Place = typeof place extends fc.Arbitrary<infer Value> ? Value : never;

/** The moment `at` seconds after the first, around midnight and the end of a month. */
function epochOf(at: number, one: Place): Epoch {
  const instant = new Date(Date.UTC(2026, 1, 28, 23, 59, 0) + at * 1000).toISOString();
  const time = `${instant.slice(11, 13)}${instant.slice(14, 16)}${instant.slice(17, 19)}.00`;
  const date = `${instant.slice(8, 10)}${instant.slice(5, 7)}${instant.slice(2, 4)}`;
  const lat = `${digits(Math.floor(one.latMinutes / 60), 2)}${digits(one.latMinutes % 60, 2)}.${digits(one.latFraction, 5)}`;
  const lon = `${digits(Math.floor(one.lonMinutes / 60), 3)}${digits(one.lonMinutes % 60, 2)}.${digits(one.lonFraction, 5)}`;
  const position = `${lat},${one.north ? 'N' : 'S'},${lon},${one.east ? 'E' : 'W'}`;
  const tenths = (number: number): string => (number / 10).toFixed(1);
  const motion = `${tenths(one.speed)},${tenths(one.course)}`;
  const variation = `${tenths(one.variation)},${one.west ? 'W' : 'E'}`;
  return {
    time: instant,
    rmc: sentence(`GPRMC,${time},A,${position},${motion},${date},${variation},A`),
    gga: sentence(`GPGGA,${time},${position},1,08,0.9,${tenths(one.altitude)},M,${tenths(one.geoid)},M,,`),
  };
}

/** What gpsd makes of them, by time; undefined when it is not installed. */
function gpsdReports(epochs: readonly Epoch[]): ReadonlyMap<string, Report> | undefined {
  const input = epochs.map(({ rmc, gga }) => `${rmc}\r\n${gga}\r\n`).join('');
  const { error, stdout } = spawnSync('gpsdecode', { input, encoding: 'utf8', timeout: 30_000 });
  if (error !== undefined && 'code' in error && error.code === 'ENOENT') return undefined;
  if (error !== undefined) throw error;
  const reports = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Report);
  return new Map(reports.filter((one) => one.class === 'TPV').map((one) => [one.time, one]));
}

function numbersOf({ rmc, gga }: Epoch): ReadonlyMap<string, string> {
  const found = [rmc, gga].flatMap((text) => {
    const decoded = decoder(Buffer.from(text));
    assert.ok(decoded.kind === 'record', text);
    return [...decoded.record].map(([name, scalar]): [string, string] => [name, scalar.text]);
  });
  return new Map(found);
}

function compare(epoch: Epoch, report: Report, seed: number): void {
  const ours = numbersOf(epoch);
  // Units of the last digit that gpsd writes, or that we do.
  const near = (name: string, theirs: number, within: number, scale = 1): void => {
    const number = Number(ours.get(name)) * scale;
    assert.ok(
      Math.abs(number - theirs) <= within,
      `seed ${seed}: ${name} of ${epoch.rmc} ${epoch.gga} is ${number}, gpsd ${theirs}`,
    );
  };
  assert.equal(`${ours.get('RMC.date')}T${ours.get('RMC.time')}`, epoch.time.slice(0, -2));
  near('RMC.lat', report.lat, 0.51e-7);
  near('RMC.lon', report.lon, 0.51e-7);
  near('GGA.lat', report.lat, 0.51e-7);
  near('GGA.lon', report.lon, 0.51e-7);
  near('RMC.speed', report.speed, 0.002, KNOT_MPS);
  near('RMC.course', report.track, 0.0001);
  near('GGA.altitude', report.altMSL, 0.0001);
  near('GGA.geoid', report.geoidSep, 0.001);
  near('RMC.variation', report.magvar, 0.06);
}

test('positions, times, speeds and heights are those that gpsd reads', (t) => {
  if (gpsdReports([]) === undefined) {
    t.skip('gpsdecode (Debian: gpsd-clients) is not installed');
    return;
  }
  const seed = Date.now() % 2 ** 31;
  const epochs = fc.sample(place, { numRuns: EPOCHS, seed }).map((one, at) => epochOf(at, one));
  const reports = gpsdReports(epochs) ?? new Map<string, Report>();
  const unsaid = epochs.filter(({ time }) => !reports.has(time));
  assert.ok(unsaid.length <= UNSAID, `seed ${seed}: gpsd says nothing of ${JSON.stringify(unsaid)}`);
  for (const epoch of epochs) {
    const report = reports.get(epoch.time);
    if (report !== undefined) compare(epoch, report, seed);
  }
});
