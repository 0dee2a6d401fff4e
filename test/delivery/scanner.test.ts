import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Ack, AckScanner } from '../../src/delivery/ack-scanner.ts';
import { encodePubrel, encodeVarint } from '../../src/delivery/packet.ts';
import { OWN_IDENTIFIERS } from '../../src/limits.ts';

interface Packet {
  readonly bytes: Buffer;
  readonly ack: Ack | undefined;
}

function packet(first: number, body: Buffer, ack?: Ack): Packet {
  return { bytes: Buffer.concat([Buffer.of(first), encodeVarint(body.length), body]), ack };
}

const ackPacket = fc
  .record({
    kind: fc.constantFrom('pubrec' as const, 'pubcomp' as const),
    identifier: fc.integer({ min: 1, max: 65_535 }),
    reason: fc.constantFrom(0, 0x10, 0x91, 0x92, 0x97),
    tail: fc.uint8Array({ maxLength: 300 }),
    long: fc.boolean(),
  })
  .map(({ kind, identifier, reason, tail, long }) => {
    const body = long
      ? Buffer.concat([Buffer.of(identifier >> 8, identifier & 0xff, reason), Buffer.from(tail)])
      : Buffer.of(identifier >> 8, identifier & 0xff);
    const ours = identifier <= OWN_IDENTIFIERS;
    const ack = ours ? { kind, identifier, reason: long ? reason : 0 } : undefined;
    return packet(kind === 'pubrec' ? 0x50 : 0x70, body, ack);
  });

const otherPacket = fc
  .record({
    first: fc.constantFrom(0x20, 0x30, 0x32, 0x40, 0x62, 0x90, 0xd0, 0xe0),
    body: fc.uint8Array({ maxLength: 400 }),
  })
  .map(({ first, body }) => packet(first, Buffer.from(body)));

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  const pieces: Buffer[] = [];
  for (const end of [...ends, bytes.length]) {
    if (end > from) pieces.push(bytes.subarray(from, end));
    from = Math.max(from, end);
  }
  return pieces;
}

test('any cutting of any stream gives the same acknowledgements, and every other byte passes on in order', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(ackPacket, otherPacket), { maxLength: 20 }),
      fc.array(fc.nat(), { maxLength: 30 }),
      (packets, places) => {
        const stream = Buffer.concat(packets.map((one) => one.bytes));
        const scanner = new AckScanner();
        const acks: Ack[] = [];
        const rest: Buffer[] = [];
        for (const piece of cut(stream, places)) {
          const scanned = scanner.push(piece);
          acks.push(...scanned.acks);
          rest.push(...scanned.rest.map((part) => Buffer.from(part)));
        }
        assert.deepEqual(
          acks,
          packets.flatMap((one) => one.ack ?? []),
        );
        const others = packets.filter((one) => one.ack === undefined).map((one) => one.bytes);
        assert.deepEqual(Buffer.concat(rest), Buffer.concat(others));
      },
    ),
    { numRuns: 1000 },
  );
});

test('garbage never makes it throw and never makes it hold back more than one short packet', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 2000 }), { maxLength: 20 }), (chunks) => {
      const scanner = new AckScanner();
      let into = 0;
      let out = 0;
      for (const chunk of chunks) {
        into += chunk.length;
        const { rest, acks } = scanner.push(Buffer.from(chunk));
        for (const part of rest) out += part.length;
        for (const ack of acks) assert.ok(ack.identifier >= 1 && ack.identifier <= OWN_IDENTIFIERS);
        if (acks.length > 0) return;
        assert.ok(into - out <= 4096 + 5, `holds ${into - out} bytes`);
      }
    }),
  );
});

test('PUBREL is the four bytes that MQTT 3.1.1 and MQTT 5 share', () => {
  assert.deepEqual(encodePubrel(0x1234), Buffer.of(0x62, 2, 0x12, 0x34));
});
