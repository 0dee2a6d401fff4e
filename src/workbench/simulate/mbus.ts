/** A water meter on the wired M-Bus (EN 13757-2 and -3): reset is acknowledged, a request brings its long frame. */
import type { Random } from '../random.ts';
import { sumOf } from './checks.ts';
import { askedMeter, type SimulatedFrame, type VirtualMeter } from './meter.ts';

const SHORT_FRAME = 5;
const ADDRESS = 0x01;
/** Everyone answers this address: for a bus with one meter. */
const TEST_ADDRESS = 0xfe;
const SND_NKE = 0x40;
/** REQ_UD2; the frame count bit, 20, may be set or not. */
const REQ_UD2 = 0x5b;
const ACKNOWLEDGED = 0xe5;
const WATER = 7;

export function mbusMeter(random: Random): VirtualMeter {
  const id = String(random.whole(10_000_000, 99_999_999));
  let litres = random.whole(1000, 900_000);
  let access = 0;
  return askedMeter(shortFrameLength, (request) => {
    const [, control = 0, address] = request;
    if (address !== ADDRESS && address !== TEST_ADDRESS) return [];
    if (control === SND_NKE) return [{ bytes: Buffer.from([ACKNOWLEDGED]) }];
    if ((control & ~0x20) !== REQ_UD2) return [];
    litres += random.whole(0, 30);
    access = (access + 1) & 0xff;
    return [longFrame(id, litres, access)];
  });
}

/** 10, control, address, sum of the two, 16. */
function shortFrameLength(held: Buffer): number {
  if (held[0] !== 0x10) return -1;
  if (held.length < SHORT_FRAME) return 0;
  const sound = held[4] === 0x16 && held[3] === (sumOf(held.subarray(1, 3)) & 0xff);
  return sound ? SHORT_FRAME : -1;
}

/** 68 L L 68, control, address, control information 72, fixed header of 12 bytes, records, sum, 16. */
function longFrame(id: string, litres: number, access: number): SimulatedFrame {
  const header = [...bcd(id), 0xc3, 0x15, 0x01, WATER, access, 0x00, 0x00, 0x00];
  // DIF 0c: eight BCD digits, VIF 13: litres.
  const body = Buffer.from([0x08, ADDRESS, 0x72, ...header, 0x0c, 0x13, ...bcd(String(litres).padStart(8, '0'))]);
  const bytes = Buffer.from([0x68, body.length, body.length, 0x68, ...body, sumOf(body) & 0xff, 0x16]);
  const marks = { start: String(0x68), stop: String(0x16) };
  return { bytes, truth: { id, medium: String(WATER), ...marks } };
}

/** Two digits a byte, the last ones first. */
function bcd(digits: string): Buffer {
  return Buffer.from(digits, 'hex').reverse();
}
