/**
 * Seeded mutations of one packet on its way from the broker to the agent: what a broken broker, a proxy or an attacker may
 * send in its place. Pure: a packet in, chunks of bytes out.
 */
import type { Random } from '../../src/workbench/random.ts';

/** What a mutation may use beside the packet itself. */
export interface Around {
  /** The packet that left before this one, or an empty one. */
  readonly before: Buffer;
  readonly five: boolean;
  /** The device's topics begin so. */
  readonly root: string;
}

type Mutation = (packet: Buffer, random: Random, around: Around) => readonly Buffer[];

/** An inbound packet may be so large (256 KiB), and no larger. */
const PACKET_BYTES_MAX = 256 * 1024;
const TYPES = Array.from({ length: 16 }, (_, type) => type);

export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'bits flipped': (packet, random) => {
    const bytes = Buffer.from(packet);
    for (let left = random.whole(1, 8); left > 0; left -= 1) {
      const at = random.whole(0, bytes.length - 1);
      bytes[at] = (bytes[at] as number) ^ (1 << random.whole(0, 7));
    }
    return [bytes];
  },
  'cut short': (packet, random) => [packet.subarray(0, random.whole(0, packet.length - 1))],
  'bytes dropped from the middle': (packet, random) => {
    const from = random.whole(0, packet.length - 1);
    return [packet.subarray(0, from), packet.subarray(random.whole(from + 1, packet.length))];
  },
  'bytes put in between': (packet, random) => {
    const at = random.whole(0, packet.length);
    return [packet.subarray(0, at), noise(random, random.whole(1, 64)), packet.subarray(at)];
  },
  'length lies': (packet, random) => {
    const body = bodyOf(packet);
    return [Buffer.of(packet[0] as number), lengthOf(Math.max(0, body.length + random.whole(-4, 40))), body];
  },
  'huge length': (packet, random) => {
    const length = random.whole(PACKET_BYTES_MAX, 268_435_455);
    return [Buffer.of(packet[0] as number), lengthOf(length), bodyOf(packet)];
  },
  'length of five bytes': (packet) => [Buffer.of(packet[0] as number, 0xff, 0xff, 0xff, 0xff, 0x01), bodyOf(packet)],
  'length not shortest': (packet) => {
    const body = bodyOf(packet);
    return body.length > 127 ? [packet] : [Buffer.of(packet[0] as number, body.length | 0x80, 0x00), body];
  },
  'other type': (packet, random) => {
    const type = TYPES[random.whole(0, 15)] as number;
    return [Buffer.of((type << 4) | ((packet[0] as number) & 0x0f)), packet.subarray(1)];
  },
  'other flags': (packet, random) => [
    Buffer.of(((packet[0] as number) & 0xf0) | random.whole(0, 15)),
    packet.subarray(1),
  ],
  'other identifier': (packet, random) => {
    const body = Buffer.from(bodyOf(packet));
    const near = random.unit() < 0.7 ? random.whole(0, 400) : random.whole(0, 65_535);
    if (body.length >= 2) body.writeUInt16BE(near, 0);
    return [framed(packet[0] as number, body)];
  },
  'other reason code': (packet, random) => {
    const body = bodyOf(packet);
    const five = Buffer.concat([body.subarray(0, 2), Buffer.of(random.whole(0, 255)), body.subarray(3)]);
    return [framed(packet[0] as number, five)];
  },
  'any properties': (packet, random) => {
    const body = bodyOf(packet);
    const properties = noise(random, random.whole(1, 40));
    const head = body.subarray(0, Math.min(3, body.length));
    return [framed(packet[0] as number, Buffer.concat([head, Buffer.of(properties.length), properties]))];
  },
  'twice or more': (packet, random) => Array.from({ length: random.whole(2, 6) }, () => packet),
  'left out': () => [],
  'before its turn': (packet, _random, { before }) => [packet, before, packet],
  'any packet before it': (packet, random, around) => [anyPacket(random, around), packet],
  'any packet behind it': (packet, random, around) => [packet, anyPacket(random, around)],
  'any packet in its place': (_packet, random, around) => [anyPacket(random, around)],
  'noise in its place': (_packet, random) => [noise(random, random.whole(1, 400))],
  'body of noise': (packet, random) => [framed(packet[0] as number, noise(random, random.whole(0, 200)))],
  'a publish that is as large as may be': (packet, random, { root, five }) => {
    const topic = `${root}/down/${random.unit() < 0.5 ? 'receipt' : 'command/ping/large'}`;
    return [packet, publish(topic, Buffer.alloc(random.whole(60_000, PACKET_BYTES_MAX - 200), 0x5b), five, 1)];
  },
  'a publish of another kind': (packet, random, around) => [packet, oddPublish(random, around)],
};

/** Any server's packet, and some that only a client may send: well formed, and out of place. */
function anyPacket(random: Random, { five, root }: Around): Buffer {
  const identifier = Buffer.from([0, random.whole(0, 255)]);
  const reason = five ? Buffer.of(random.whole(0, 255), 0) : Buffer.alloc(0);
  const acks = [0x40, 0x50, 0x62, 0x70, 0xb0].map((first) => framed(first, Buffer.concat([identifier, reason])));
  const others = [
    Buffer.of(0x20, five ? 3 : 2, random.whole(0, 255), random.whole(0, 255), ...(five ? [0] : [])),
    framed(0x90, Buffer.concat([identifier, five ? Buffer.of(0, random.whole(0, 255)) : Buffer.of(0x80)])),
    Buffer.of(0xd0, 0),
    Buffer.of(0xc0, 0),
    framed(0xe0, reason),
    framed(0xf0, five ? Buffer.of(0x18, 0) : Buffer.alloc(0)),
    framed(0x82, Buffer.concat([identifier, five ? Buffer.of(0) : Buffer.alloc(0), text('a/b'), Buffer.of(1)])),
    framed(0x10, Buffer.concat([text('MQTT'), Buffer.of(five ? 5 : 4, 2, 0, 10, 0), text('x')])),
    publish(`${root}/down/command/ping/q2`, Buffer.from('{}'), five, 2),
  ];
  const all = [...acks, ...others];
  return all[random.whole(0, all.length - 1)] as Buffer;
}

function oddPublish(random: Random, { root, five }: Around): Buffer {
  const topics = [
    '',
    'a/#',
    '\u0000',
    `${root}/down/command/../ping/x`,
    `${root}/down/command/ping/1`,
    `${root}/down/receipt`,
    `${root}/up/status`,
  ];
  const payloads = [
    Buffer.alloc(0),
    Buffer.from('[1e999,-0,NaN]'),
    Buffer.from('{"__proto__":{"id":"x"},"constructor":{"prototype":{"args":1}}}'),
    Buffer.from('['.repeat(50_000)),
    Buffer.from([0xc3, 0x28, 0xff, 0xfe, 0xed, 0xa0, 0x80]),
    Buffer.from('{"epoch":"x","through":1e308,"hash":"","want":[[1,-1],[9007199254740993,1],[0]]}'),
    Buffer.from('{"v":1,"id":"1","args":{"a":{"b":[]}},"expires":"+275760-09-13T00:00:00.001Z"}'),
  ];
  const topic = topics[random.whole(0, topics.length - 1)] as string;
  const qos = random.whole(0, 3) as 0 | 1 | 2 | 3;
  return publish(topic, payloads[random.whole(0, payloads.length - 1)] as Buffer, five, qos, random.unit() < 0.2);
}

function publish(topic: string, payload: Buffer, five: boolean, qos: 0 | 1 | 2 | 3, badText = false): Buffer {
  const name = badText ? Buffer.from([0, 3, 0xff, 0xc0, 0x80]) : text(topic);
  const identifier = qos === 0 ? Buffer.alloc(0) : Buffer.of(0x12, 0x34);
  return framed(0x30 | (qos << 1), Buffer.concat([name, identifier, five ? Buffer.of(0) : Buffer.alloc(0), payload]));
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes]);
}

function noise(random: Random, count: number): Buffer {
  return Buffer.from(Array.from({ length: count }, () => random.whole(0, 255)));
}

function framed(first: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.of(first), lengthOf(body.length), body]);
}

function lengthOf(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest & 0x7f) | (rest > 127 ? 0x80 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.from(bytes);
}

function bodyOf(packet: Buffer): Buffer {
  let at = 1;
  while (at < packet.length && (packet[at] as number) >= 0x80) at += 1;
  return packet.subarray(at + 1);
}
