/**
 * A German smart meter's optical port: an SML file (BSI TR-03109-1, annex IV) a second, with a register, power and
 * identity, in SML's transport of version 1.
 */
import type { Random } from '../random.ts';
import { crcX25 } from './checks.ts';
import { household } from './household.ts';
import { talkingMeter, type VirtualMeter } from './meter.ts';
import { fixedText } from './wander.ts';

const OPEN_RESPONSE = 0x0101;
const CLOSE_RESPONSE = 0x0201;
const GET_LIST_RESPONSE = 0x0701;
/** DLMS units. */
const WATT = 27;
const WATT_HOUR = 30;

export function smlMeter(random: Random): VirtualMeter {
  const consumption = household(random);
  const server = Buffer.from(`0a01454d480000${random.whole(0x100000, 0xffffff).toString(16)}`, 'hex');
  let seconds = random.whole(1_000_000, 900_000_000);
  let transaction = 0;
  return talkingMeter(1000, (atMs) => {
    const now = consumption(atMs);
    seconds += 1;
    const power = now.importW - now.exportW;
    // Tenths of a watt-hour, as meters with the scaler -1 count.
    const imported = (now.importWh[0] + now.importWh[1]) * 10;
    const exported = (now.exportWh[0] + now.exportWh[1]) * 10;
    const entries = [
      entry('0100000009ff', octets(server)),
      entry('0100010800ff', unsigned(imported, 8), { status: 0x1c0104, unit: WATT_HOUR, scaler: -1 }),
      entry('0100020800ff', unsigned(exported, 8), { unit: WATT_HOUR, scaler: -1 }),
      entry('0100100700ff', signed32(power), { unit: WATT, scaler: 0 }),
    ];
    const time = list(unsigned(1, 1), unsigned(seconds, 4));
    const message = (tag: number, body: Buffer): Buffer => smlMessage((transaction += 1), tag, body);
    const file = Buffer.concat([
      message(OPEN_RESPONSE, list(ABSENT, ABSENT, octets(Buffer.from([transaction])), octets(server), time, ABSENT)),
      message(GET_LIST_RESPONSE, list(ABSENT, octets(server), ABSENT, time, list(...entries), ABSENT, ABSENT)),
      message(CLOSE_RESPONSE, list(ABSENT)),
    ]);
    const truth = {
      server: server.toString('hex'),
      '1-0:0.0.9': server.toString('hex'),
      '1-0:1.8.0': fixedText(imported, 1),
      '1-0:1.8.0.unit': 'Wh',
      '1-0:1.8.0.status': String(0x1c0104),
      '1-0:2.8.0': fixedText(exported, 1),
      '1-0:2.8.0.unit': 'Wh',
      '1-0:16.7.0': String(power),
      '1-0:16.7.0.unit': 'W',
    };
    return [{ bytes: smlTransport(file), truth }];
  });
}

// ---- transport ------------------------------------------------------------------------------------------------------

const ESCAPE = Buffer.from('1b1b1b1b', 'hex');

/** Start mark, contents filled up to four bytes, end mark with the number of fill bytes, CRC low byte first. */
export function smlTransport(file: Buffer): Buffer {
  const fill = -file.length & 3;
  const contents = escaped(Buffer.concat([file, Buffer.alloc(fill)]));
  const body = Buffer.concat([ESCAPE, Buffer.from('01010101', 'hex'), contents, ESCAPE, Buffer.from([0x1a, fill])]);
  return Buffer.concat([body, lowFirst(crcX25(body))]);
}

/** Four escape bytes among the contents are sent twice. */
function escaped(contents: Buffer): Buffer {
  const parts: Buffer[] = [];
  let from = 0;
  for (let at = contents.indexOf(ESCAPE); at !== -1; at = contents.indexOf(ESCAPE, from)) {
    parts.push(contents.subarray(from, at), ESCAPE, ESCAPE);
    from = at + ESCAPE.length;
  }
  return Buffer.concat([...parts, contents.subarray(from)]);
}

function lowFirst(value: number): Buffer {
  return Buffer.from([value & 0xff, value >> 8]);
}

// ---- messages -------------------------------------------------------------------------------------------------------
// Each value has a type-length byte: type in bits 6 to 4 (0 octets, 5 signed, 6 unsigned, 7 list), and in the low four the
// length with that byte, or a list's number of values. Octets of 15 bytes and more have two such bytes.

const ABSENT = Buffer.from([0x01]);

/** Transaction, group, what to do on a mistake, tag and body, CRC over all this, end of message. */
function smlMessage(transaction: number, tag: number, body: Buffer): Buffer {
  const head = Buffer.concat([
    Buffer.from([0x76]),
    octets(Buffer.from(transaction.toString(16).padStart(8, '0'), 'hex')),
    unsigned(0, 1),
    unsigned(0, 1),
    list(unsigned(tag, 4), body),
  ]);
  return Buffer.concat([head, Buffer.from([0x63]), lowFirst(crcX25(head)), Buffer.from([0x00])]);
}

interface EntryFacts {
  readonly status?: number;
  readonly unit?: number;
  readonly scaler?: number;
}

/** Name, status, time, unit, scaler, value, signature. */
function entry(obis: string, value: Buffer, { status, unit, scaler }: EntryFacts = {}): Buffer {
  return list(
    octets(Buffer.from(obis, 'hex')),
    status === undefined ? ABSENT : unsigned(status, 4),
    ABSENT,
    unit === undefined ? ABSENT : unsigned(unit, 1),
    scaler === undefined ? ABSENT : Buffer.from([0x52, scaler & 0xff]),
    value,
    ABSENT,
  );
}

function list(...values: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from([0x70 | values.length]), ...values]);
}

function octets(bytes: Buffer): Buffer {
  const length = bytes.length + 1;
  if (length <= 0x0f) return Buffer.concat([Buffer.from([length]), bytes]);
  return Buffer.concat([Buffer.from([0x80 | ((length + 1) >> 4), (length + 1) & 0x0f]), bytes]);
}

function unsigned(value: number, size: 1 | 4 | 8): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return Buffer.concat([Buffer.from([0x60 | (size + 1)]), bytes.subarray(8 - size)]);
}

function signed32(value: number): Buffer {
  const bytes = Buffer.from([0x55, 0, 0, 0, 0]);
  bytes.writeInt32BE(value, 1);
  return bytes;
}
