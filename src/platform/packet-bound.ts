/**
 * Watches the fixed headers of what comes from the broker, before anything is buffered. MQTT.js keeps a packet in memory
 * until it is whole, up to 256 MiB, whatever was announced in CONNECT (100 MB seen with 5.16.0); so a packet that is too
 * large is known here by its first bytes. It works on any splitting of the stream and holds no byte of it.
 */

/** A packet that must not be read further, and where it begins in the chunk (0 also where it began in one before). */
export type BadPacket =
  | { readonly kind: 'too-large'; readonly at: number; readonly bytes: number }
  | { readonly kind: 'malformed'; readonly at: number };

/** MQTT-1.5.5-1: four bytes at most, of seven bits each. */
const LENGTH_BYTES_MAX = 4;

export class PacketBound {
  readonly #bytesMax: number;
  /** Bytes of the packet under way that are still to come, its header read. */
  #rest = 0;
  /** Bytes of its header so far: 0, none. */
  #header = 0;
  #length = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Undefined: all of it may be read on. After a bad packet it is not asked again. */
  take(chunk: Buffer): BadPacket | undefined {
    let at = 0;
    let startedAt = 0;
    while (at < chunk.length) {
      if (this.#rest > 0) {
        const step = Math.min(this.#rest, chunk.length - at);
        this.#rest -= step;
        at += step;
        continue;
      }
      if (this.#header === 0) startedAt = at;
      const byte = chunk[at] as number;
      at += 1;
      this.#header += 1;
      if (this.#header === 1) continue;
      this.#length += (byte & 0x7f) * 128 ** (this.#header - 2);
      if (byte >= 0x80) {
        if (this.#header > LENGTH_BYTES_MAX) return { kind: 'malformed', at: startedAt };
        continue;
      }
      // MQTT 5, 3.1.2.11.4: the whole packet counts, its fixed header too.
      const bytes = this.#header + this.#length;
      if (bytes > this.#bytesMax) return { kind: 'too-large', at: startedAt, bytes };
      this.#rest = this.#length;
      this.#header = 0;
      this.#length = 0;
    }
    return undefined;
  }
}
