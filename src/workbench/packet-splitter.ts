/**
 * Cuts one direction of a plain MQTT connection into whole packets, so that the link can count them and can cut just
 * before a certain one. Knows only the fixed header: type, flags, remaining length.
 */
export interface SplitPacket {
  /** MQTT's packet type, 1 (CONNECT) to 15 (AUTH). */
  readonly type: number;
  readonly bytes: Buffer;
}

export const PACKET_TYPE = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
} as const;

export class PacketSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /** The packets that this chunk completes. An unfinished one waits for the next chunk. */
  take(chunk: Buffer): SplitPacket[] {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const packets: SplitPacket[] = [];
    for (;;) {
      const length = packetLength(bytes);
      if (length === undefined || bytes.length < length) break;
      packets.push({ type: (bytes[0] ?? 0) >> 4, bytes: bytes.subarray(0, length) });
      bytes = bytes.subarray(length);
    }
    this.#rest = bytes;
    return packets;
  }
}

/** The whole packet's length, or undefined while its fixed header is not complete. */
function packetLength(bytes: Buffer): number | undefined {
  let remaining = 0;
  for (let at = 1; at <= 4; at += 1) {
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    remaining += (byte & 0x7f) * 128 ** (at - 1);
    if (byte < 0x80) return at + 1 + remaining;
  }
  throw new Error('not MQTT: a remaining length of more than four bytes');
}
