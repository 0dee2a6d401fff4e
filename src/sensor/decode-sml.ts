/**
 * Decodes an SML file (BSI TR-03109-1 annex IV), as German electricity meters send it, without its transport escapes:
 * messages one after the other, then fill bytes. Each message is
 *
 *     list of 6   transaction, group, abort on error, [tag, body], CRC-16/X-25 of all before it, end of message
 *
 * Of the lists of values (GetList responses) each entry comes by its OBIS code: `1-0:1.8.0` (`*255`, "the current one", is
 * left out), its exact value, and `.unit` and `.status` where the meter gives them. `server` is the meter's identification
 * as hexadecimal digits. A wrong CRC, or a code with two values, makes the whole file invalid.
 */
import { crc16X25 } from './crc16-x25.ts';
import { formatDecimal, multiplyDecimals } from './decimal.ts';
import { dlmsUnit } from './dlms-unit.ts';
import { putOnce } from './put-once.ts';
import { type Decoded, type Decoder, invalid, type Scalar } from './record.ts';
import { readElement, type SmlElement } from './sml-element.ts';

const MESSAGES_MAX = 64;
const ENTRIES_MAX = 512;
const FILL_BYTES_MAX = 3;
const GET_LIST_RESPONSE = 0x0701n;
/** Places in a message, in a list of values, and in its entries. */
const MESSAGE = { body: 3, crc: 4, end: 5, count: 6 } as const;
const LIST = { server: 1, values: 4, count: 7 } as const;
const ENTRY = { name: 0, status: 1, unit: 3, scaler: 4, value: 5, count: 7 } as const;

export function smlDecoder(): Decoder {
  return (file): Decoded => {
    const messages = readMessages(file);
    if (typeof messages === 'string') return invalid(messages);
    const record = new Map<string, Scalar>();
    let entries: number | undefined;
    for (const body of messages) {
      const [tag, content] = elementsOf(body, 2) ?? [];
      if (tag?.kind !== 'number' || content === undefined) return invalid('not an SML message');
      if (tag.value !== GET_LIST_RESPONSE) continue;
      const put = putList(record, content);
      if (typeof put === 'string') return invalid(put);
      entries = (entries ?? 0) + put;
    }
    return entries === undefined ? invalid('no list of values') : { kind: 'record', record };
  };
}

/** The bodies of the messages, each proved by its CRC; or what is wrong. */
function readMessages(file: Buffer): readonly SmlElement[] | string {
  const bodies: SmlElement[] = [];
  let at = 0;
  while (!isFill(file.subarray(at))) {
    const message = readElement(file, at);
    if (message?.element.kind !== 'list') return 'not an SML message';
    const parts = message.element.elements;
    const body = parts[MESSAGE.body];
    const crc = parts[MESSAGE.crc];
    if (body === undefined || crc === undefined || parts.length !== MESSAGE.count) return 'not an SML message';
    if (parts[MESSAGE.end]?.element.kind !== 'end') return 'not an SML message';
    if (!provesWhole(file.subarray(at, crc.from), crc.element)) return 'the CRC of a message is wrong';
    if (bodies.length === MESSAGES_MAX) return `more than ${MESSAGES_MAX} messages`;
    bodies.push(body.element);
    at = message.to;
  }
  return bodies;
}

function isFill(rest: Buffer): boolean {
  return rest.length <= FILL_BYTES_MAX && rest.every((byte) => byte === 0);
}

/** The CRC is sent with its low byte first, as a number whose leading zeros may be left out. It is optional. */
function provesWhole(covered: Buffer, crc: SmlElement): boolean {
  if (crc.kind === 'absent') return true;
  const wanted = Buffer.alloc(2);
  wanted.writeUInt16LE(crc16X25(covered));
  return crc.kind === 'number' && crc.value === BigInt(wanted.readUInt16BE());
}

/** The number of entries, or what is wrong. */
function putList(record: Map<string, Scalar>, content: SmlElement): number | string {
  const list = elementsOf(content, LIST.count);
  const server = list?.[LIST.server];
  const values = list?.[LIST.values];
  if (server === undefined || values?.kind !== 'list') return 'not a list of values';
  if (values.elements.length > ENTRIES_MAX) return `more than ${ENTRIES_MAX} entries`;
  if (server.kind === 'octets' && !putOnce(record, 'server', hexOf(server.octets))) return 'a name with two values';
  for (const { element } of values.elements) {
    const entry = entryOf(element);
    if (entry === undefined) return 'an entry that is none';
    if (!entry.every(([name, scalar]) => putOnce(record, name, scalar))) return 'a name with two values';
  }
  return values.elements.length;
}

/** What an entry adds to the record; undefined when it is malformed. An entry without a value adds nothing. */
function entryOf(element: SmlElement): readonly (readonly [string, Scalar])[] | undefined {
  const parts = elementsOf(element, ENTRY.count);
  const code = parts?.[ENTRY.name];
  const value = parts?.[ENTRY.value];
  const scaler = parts?.[ENTRY.scaler];
  if (code?.kind !== 'octets' || value === undefined || scaler === undefined) return undefined;
  const scalar = scalarOf(value, scaler);
  if (scalar === 'malformed') return undefined;
  if (scalar === 'absent') return [];
  const name = nameOf(code.octets);
  const found: [string, Scalar][] = [[name, scalar]];
  const unit = parts?.[ENTRY.unit];
  const word = unit?.kind === 'number' ? dlmsUnit(Number(unit.value)) : undefined;
  if (word !== undefined) found.push([`${name}.unit`, { kind: 'string', text: word }]);
  const status = parts?.[ENTRY.status];
  if (status?.kind === 'number') found.push([`${name}.status`, { kind: 'number', text: status.value.toString() }]);
  return found;
}

function scalarOf(value: SmlElement, scaler: SmlElement): Scalar | 'absent' | 'malformed' {
  switch (value.kind) {
    case 'number': {
      const power = scaler.kind === 'number' ? Number(scaler.value) : 0;
      const exact = multiplyDecimals({ digits: value.value, decimals: 0 }, { digits: 1n, decimals: -power });
      return exact === undefined ? 'malformed' : { kind: 'number', text: formatDecimal(exact) };
    }
    case 'boolean':
      return { kind: 'boolean', text: String(value.value) };
    case 'octets': {
      const text = value.octets.toString('latin1');
      return /^[ -~]+$/.test(text) ? { kind: 'string', text } : hexOf(value.octets);
    }
    case 'list':
    case 'absent':
      // A list is a time, which says nothing that the arrival of the frame does not.
      return 'absent';
    case 'end':
      return 'malformed';
  }
}

/** `A-B:C.D.E*F`; another number of octets is no OBIS code and comes as hexadecimal digits. */
function nameOf(octets: Buffer): string {
  const [a, b, c, d, e, f] = octets;
  if (octets.length !== 6) return octets.toString('hex');
  return `${a}-${b}:${c}.${d}.${e}${f === 255 ? '' : `*${f}`}`;
}

function hexOf(octets: Buffer): Scalar {
  return { kind: 'string', text: octets.toString('hex') };
}

/** The elements of a list that has this many; else undefined. */
function elementsOf(element: SmlElement, count: number): readonly SmlElement[] | undefined {
  if (element.kind !== 'list' || element.elements.length !== count) return undefined;
  return element.elements.map((placed) => placed.element);
}
