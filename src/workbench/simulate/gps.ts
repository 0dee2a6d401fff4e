/** A GPS receiver on a boat: each second where it is (NMEA 0183, RMC) and how well it knows (GGA). */
import type { Random } from '../random.ts';
import { xorOf } from './checks.ts';
import { type SimulatedFrame, talkingMeter, type Truth, type VirtualMeter } from './meter.ts';
import { fixedText, wander } from './wander.ts';

/**
 * Positions are steps of three ten-thousandths of a minute: 50 units of the seventh decimal of a degree, so that
 * the degrees are exact.
 */
const MINUTE_PARTS = 10_000;
const STEPS_PER_DEGREE = (60 * MINUTE_PARTS) / 3;

export function gpsReceiver(random: Random): VirtualMeter {
  const lat = wander(random, { low: -70 * STEPS_PER_DEGREE, high: 70 * STEPS_PER_DEGREE, step: 12 });
  const lon = wander(random, { low: -179 * STEPS_PER_DEGREE, high: 179 * STEPS_PER_DEGREE, step: 12 });
  const speed = wander(random, { low: 0, high: 120, step: 4 });
  const course = wander(random, { low: 0, high: 3599, step: 30 });
  const altitude = wander(random, { low: -20, high: 120, step: 2 });
  const satellites = wander(random, { low: 5, high: 12, step: 1 });
  return talkingMeter(1000, (atMs) => {
    const { date, time } = utc(atMs);
    const here = { lat: lat(), lon: lon() };
    const where = { lat: degrees(here.lat), lon: degrees(here.lon) };
    const position = `${minutes(here.lat, 2, 'NS')},${minutes(here.lon, 3, 'EW')}`;
    const moving = { speed: fixedText(speed(), 1), course: fixedText(course(), 1) };
    const fix = { quality: '1', satellites: fixedText(satellites(), 0, 2), hdop: '0.9' };
    const height = { altitude: fixedText(altitude(), 1), geoid: '46.9' };
    const clock = time.replaceAll(':', '');
    const day = `${date.slice(8)}${date.slice(5, 7)}${date.slice(2, 4)}`;
    return [
      sentence('RMC', `${clock},A,${position},${moving.speed},${moving.course},${day},,,A`, {
        time,
        status: 'A',
        ...where,
        ...moving,
        date,
        mode: 'A',
      }),
      sentence(
        'GGA',
        `${clock},${position},${fix.quality},${fix.satellites},${fix.hdop},${height.altitude},M,${height.geoid},M,,`,
        { time, ...where, ...fix, ...height },
      ),
    ];
  });
}

/** The checksum covers what stands between "$" and "*". */
function sentence(type: string, fields: string, values: Truth): SimulatedFrame {
  const body = `GP${type},${fields}`;
  const check = xorOf(Buffer.from(body)).toString(16).toUpperCase().padStart(2, '0');
  const named = Object.entries(values).map(([name, value]): [string, string] => [`${type}.${name}`, value]);
  return { bytes: Buffer.from(`$${body}*${check}\r\n`), truth: { talker: 'GP', type, ...Object.fromEntries(named) } };
}

/** Degrees and minutes (`5221.1240,N`). */
function minutes(steps: number, width: number, sides: string): string {
  const parts = Math.abs(steps) * 3;
  const whole = Math.floor(parts / (60 * MINUTE_PARTS));
  const text = fixedText(parts % (60 * MINUTE_PARTS), 4, 2);
  return `${String(whole).padStart(width, '0')}${text},${sides[steps < 0 ? 1 : 0]}`;
}

/** Signed degrees with seven decimals. */
function degrees(steps: number): string {
  return fixedText(steps * 50, 7);
}

function utc(atMs: number): { readonly date: string; readonly time: string } {
  const text = new Date(atMs).toISOString();
  return { date: text.slice(0, 10), time: `${text.slice(11, 19)}.00` };
}
