/**
 * Looks at what comes from the broker before MQTT.js does, and finds the packets that it must not see. It keeps a packet in
 * memory until it is whole, up to 256 MiB, whatever was announced in CONNECT (100 MB seen with 5.16.0), so one that is too
 * large is known here by its first bytes. And a packet that ends before its identifier gets the identifier -1 there, which
 * ends the process when it is acknowledged (found by `npm run fuzz`). It works on any splitting of the stream and holds no
 * byte of it.
 */

/** A packet that must not be read further, and where it begins in the chunk (0 also where it began in one before). */
export type BadPacket =
  | { readonly kind: 'too-large'; readonly at: number; readonly bytes: number }
  | { readonly kind: 'malformed'; readonly at: number; readonly why: string };

/** MQTT-1.5.5-1: four bytes at most, of seven bits each. */
const LENGTH_BYTES_MAX = 4;
const PUBLISH = 3;
/** PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK: the identifier comes first. */
const IDENTIFIED: readonly number[] = [4, 5, 6, 7, 9, 11];

const NO_LENGTH = 'a length of more than four bytes';
const NO_IDENTIFIER = 'a packet identifier is missing';
const IDENTIFIER_0 = 'a packet identifier of 0';
const QOS_3 = 'QoS 3';

export class PacketGate {
  readonly #bytesMax: number;
  /** Bytes of the header so far: 0, none. */
  #header = 0;
  #first = 0;
  #length = 0;
  /** Bytes of the body so far; what is beyond the length is the next packet. */
  #body = 0;
  /** The next two bytes of the body to look at, by their place, and what they are; undefined: the rest is passed over. */
  #look: { readonly at: number; readonly is: 'topic length' | 'identifier' } | undefined;
  #value = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Undefined: all of it may be read on. After a bad packet it is not asked again. */
  take(chunk: Buffer): BadPacket | undefined {
    let at = 0;
    let startedAt = 0;
    const malformed = (why: string): BadPacket => ({ kind: 'malformed', at: startedAt, why });
    while (at < chunk.length) {
      if (this.#header === 0) startedAt = at;
      const byte = chunk[at] as number;
      if (this.#isInHeader) {
        at += 1;
        const isOver = this.#takeHeader(byte);
        if (isOver === undefined) return malformed(NO_LENGTH);
        if (!isOver) continue;
        // MQTT 5, 3.1.2.11.4: the whole packet counts, its fixed header too.
        const bytes = this.#header + this.#length;
        if (bytes > this.#bytesMax) return { kind: 'too-large', at: startedAt, bytes };
        const why = this.#begin();
        if (why !== undefined) return malformed(why);
      } else if (this.#look !== undefined && this.#body >= this.#look.at) {
        at += 1;
        this.#body += 1;
        const why = this.#lookAt(byte, this.#look);
        if (why !== undefined) return malformed(why);
      } else {
        const step = Math.min((this.#look?.at ?? this.#length) - this.#body, chunk.length - at);
        this.#body += step;
        at += step;
      }
      if (!this.#isInHeader && this.#body === this.#length) this.#header = 0;
    }
    return undefined;
  }

  /** The header is over with the first length byte below 0x80; `#body` is -1 until then. */
  get #isInHeader(): boolean {
    return this.#header === 0 || this.#body < 0;
  }

  /** Whether the header is over; undefined: it is none. */
  #takeHeader(byte: number): boolean | undefined {
    this.#header += 1;
    if (this.#header === 1) {
      [this.#first, this.#length, this.#body, this.#look, this.#value] = [byte, 0, -1, undefined, 0];
      return false;
    }
    this.#length += (byte & 0x7f) * 128 ** (this.#header - 2);
    if (byte < 0x80) {
      this.#body = 0;
      return true;
    }
    return this.#header > LENGTH_BYTES_MAX ? undefined : false;
  }

  /** What is to be looked at in this packet; a reason when it is already known to be none. */
  #begin(): string | undefined {
    const type = this.#first >> 4;
    const qos = (this.#first >> 1) & 3;
    if (type === PUBLISH && qos === 3) return QOS_3;
    if (type === PUBLISH && qos > 0) this.#look = { at: 0, is: 'topic length' };
    else if (IDENTIFIED.includes(type)) this.#look = { at: 0, is: 'identifier' };
    return this.#look !== undefined && this.#length < 2 ? NO_IDENTIFIER : undefined;
  }

  #lookAt(byte: number, { at, is }: { readonly at: number; readonly is: string }): string | undefined {
    this.#value = this.#value * 256 + byte;
    if (this.#body < at + 2) return undefined;
    const value = this.#value;
    this.#value = 0;
    if (is === 'identifier') {
      this.#look = undefined;
      return value === 0 ? IDENTIFIER_0 : undefined;
    }
    this.#look = { at: 2 + value, is: 'identifier' };
    return 2 + value + 2 > this.#length ? NO_IDENTIFIER : undefined;
  }
}
