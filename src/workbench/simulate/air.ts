/** Air quality sensors, after their makers' data sheets: PMS5003 and SDS011 talk, MH-Z19 and SPS30 are asked. */
import type { Random } from '../random.ts';
import { sumOf } from './checks.ts';
import { askedMeter, talkingMeter, type VirtualMeter } from './meter.ts';
import { wander } from './wander.ts';

/** Plantower PMS5003, active mode: 42 4d, length 28, thirteen 16-bit values, sum of all bytes before. */
export function pms5003(random: Random): VirtualMeter {
  const fine = wander(random, { low: 1, high: 60, step: 3 });
  return talkingMeter(1000, () => {
    const pm1 = fine();
    const pm25 = pm1 + random.whole(0, 15);
    const pm10 = pm25 + random.whole(0, 10);
    const counts = [pm1 * 180, pm1 * 52, pm1 * 9, pm25 - pm1, 3, 1];
    const frame = Buffer.alloc(32);
    frame.write('424d001c', 'hex');
    // First as for factory air, then as for the open air, then particles in 0.1 l; the thirteenth is version and error.
    [pm1, pm25, pm10, pm1, pm25, pm10, ...counts, 0x9700].forEach((value, index) => {
      frame.writeUInt16BE(value, 4 + 2 * index);
    });
    frame.writeUInt16BE(sumOf(frame.subarray(0, 30)) & 0xffff, 30);
    return [{ bytes: frame, truth: { pm1_0: String(pm1), pm2_5: String(pm25), pm10: String(pm10) } }];
  });
}

/** Nova SDS011: aa c0, tenths of a microgram low byte first, two bytes of identity, sum of the six, ab. */
export function sds011(random: Random): VirtualMeter {
  const fine = wander(random, { low: 5, high: 600, step: 20 });
  const id = random.whole(0, 0xffff);
  return talkingMeter(1000, () => {
    const pm25 = fine();
    const pm10 = pm25 + random.whole(0, 100);
    const frame = Buffer.from('aac000000000000000ab', 'hex');
    [pm25, pm10, id].forEach((value, index) => frame.writeUInt16LE(value, 2 + 2 * index));
    frame[8] = sumOf(frame.subarray(2, 8)) & 0xff;
    return [{ bytes: frame, truth: { pm2_5: String(pm25), pm10: String(pm10) } }];
  });
}

const MH_Z19_COMMAND = 9;
const READ_CO2 = 0x86;

/** Winsen MH-Z19: commands and answers of nine bytes from ff, the last makes the sum of all but the first 0. */
export function mhZ19(random: Random): VirtualMeter {
  const co2 = wander(random, { low: 400, high: 2500, step: 40 });
  const lengthOf = (held: Buffer): number => {
    if (held[0] !== 0xff) return -1;
    if (held.length < MH_Z19_COMMAND) return 0;
    return (sumOf(held.subarray(1, MH_Z19_COMMAND)) & 0xff) === 0 ? MH_Z19_COMMAND : -1;
  };
  return askedMeter(lengthOf, (command) => {
    if (command[2] !== READ_CO2) return [];
    const ppm = co2();
    const frame = Buffer.from([0xff, READ_CO2, ppm >> 8, ppm & 0xff, 40 + 21, 0, 0, 0, 0]);
    frame[8] = -sumOf(frame.subarray(1, 8)) & 0xff;
    return [{ bytes: frame, truth: { co2: String(ppm) } }];
  });
}

const START = 0x00;
const STOP = 0x01;
const READ = 0x03;
const STATE_OK = 0x00;
const STATE_UNKNOWN_COMMAND = 0x02;
const STATE_NOT_ALLOWED = 0x43;
/** SHDLC: what may not stand within a frame goes as 7d and itself xor 20. */
const STUFFED: readonly number[] = [0x7e, 0x7d, 0x11, 0x13];

/** Sensirion SPS30 on its UART, SHDLC: measures from its start command on, floats with the most significant byte first. */
export function sps30(random: Random): VirtualMeter {
  const mass = wander(random, { low: 100, high: 6000, step: 150 });
  let measuring = false;
  return askedMeter(shdlcLength, (stuffed) => {
    const request = unstuffed(stuffed.subarray(1, -1));
    const [address = 0, command = 0] = request;
    if (request.length < 4 || (sumOf(request) & 0xff) !== 0xff) return [];
    const reply = (state: number, body = Buffer.alloc(0)): Buffer => shdlcFrame([address, command, state], body);
    if (command === START || command === STOP) {
      measuring = command === START;
      return [{ bytes: reply(STATE_OK) }];
    }
    if (command !== READ) return [{ bytes: reply(STATE_UNKNOWN_COMMAND) }];
    if (!measuring) return [{ bytes: reply(STATE_NOT_ALLOWED) }];
    const { values, truth } = sps30Values(mass(), random);
    const body = Buffer.alloc(4 * values.length);
    values.forEach((value, index) => body.writeFloatBE(value, 4 * index));
    return [{ bytes: reply(STATE_OK, body), truth }];
  });
}

/** Mass of PM1, 2.5, 4 and 10, number of PM0.5, 1, 2.5, 4 and 10, typical size: hundredths, which a float32 keeps. */
function sps30Values(hundredths: number, random: Random): { values: readonly number[]; truth: Record<string, string> } {
  const rising = [hundredths];
  for (let step = 0; step < 3; step += 1) rising.push((rising.at(-1) ?? 0) + random.whole(0, 200));
  const numbers = rising.map((value) => value * 7);
  const values = [...rising, hundredths * 6, ...numbers, random.whole(40, 120)].map((value) => value / 100);
  const named = { pm1_0: values[0], pm2_5: values[1], pm4_0: values[2], pm10: values[3], typical_size: values[9] };
  return { values, truth: Object.fromEntries(Object.entries(named).map(([name, value]) => [name, String(value)])) };
}

function shdlcLength(held: Buffer): number {
  if (held[0] !== 0x7e) return -1;
  const end = held.indexOf(0x7e, 1);
  // Two marks in a row are the end of one frame and the beginning of the next.
  return end === 1 ? -1 : end + 1;
}

function shdlcFrame(head: readonly number[], body: Buffer): Buffer {
  const plain = [...head, body.length, ...body];
  const checked = [...plain, ~sumOf(Buffer.from(plain)) & 0xff];
  return Buffer.from([
    0x7e,
    ...checked.flatMap((byte) => (STUFFED.includes(byte) ? [0x7d, byte ^ 0x20] : [byte])),
    0x7e,
  ]);
}

function unstuffed(bytes: Buffer): Buffer {
  const plain: number[] = [];
  let escaped = false;
  for (const byte of bytes) {
    if (byte === 0x7d) escaped = true;
    else {
      plain.push(escaped ? byte ^ 0x20 : byte);
      escaped = false;
    }
  }
  return Buffer.from(plain);
}
