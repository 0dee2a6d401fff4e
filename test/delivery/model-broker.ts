/**
 * A broker's QoS 2 receiver in memory, for tests that cut, crash and refuse at every step: each flavour answers as the
 * named broker was measured to. It takes the sender's real bytes and gives real bytes back; it is no proof about a real
 * broker, that is what the tests on Mosquitto are for.
 */
import type { Link, LinkEnd, LinkTerms } from '../../src/ports-broker.ts';

/** `emqx-6.2` is 6.2.4 and later. 6.2.0 to 6.2.3 drop a DUP=1 that they never saw: no sender can make up for that. */
export type Flavour = 'mosquitto' | 'emqx-5' | 'emqx-6.2';

export interface Delivered {
  readonly topic: string;
  readonly payload: string;
}

export interface Publish {
  readonly identifier: number;
  readonly dup: boolean;
  readonly topic: string;
  readonly payload: string;
}

export class ModelBroker {
  readonly delivered: Delivered[] = [];
  /** Reason codes to answer the next PUBLISHes with, instead of taking them. */
  readonly refusals: number[] = [];
  readonly publishes: Publish[] = [];
  /** Topics that an access rule forbids (0x87). */
  readonly forbidden = new Set<string>();
  #awaiting = new Map<number, Publish>();
  #sessionKept = false;
  readonly #flavour: Flavour;

  constructor(flavour: Flavour) {
    this.#flavour = flavour;
  }

  /** Session present, as CONNACK would say. */
  connect(clean: boolean): boolean {
    if (clean) this.forget();
    const present = this.#sessionKept;
    this.#sessionKept = true;
    return present;
  }

  /** Exchanges of the session that await their PUBREL: each takes a slot of the receive maximum. */
  get open(): number {
    return this.#awaiting.size;
  }

  /** The broker loses its state. */
  forget(): void {
    this.#sessionKept = false;
    this.#awaiting.clear();
  }

  /** The answer to one packet. */
  receive(packet: Buffer): Buffer {
    const kind = (packet[0] as number) & 0xf0;
    if (kind === 0x60) return this.#pubrel(packet.readUInt16BE(2));
    return this.#publish(decodePublish(packet));
  }

  #publish(publish: Publish): Buffer {
    this.publishes.push(publish);
    const refusal = this.refusals.shift();
    if (refusal !== undefined) return ack(0x50, publish.identifier, refusal);
    if (this.forbidden.has(publish.topic)) return ack(0x50, publish.identifier, 0x87);
    const known = this.#awaiting.get(publish.identifier);
    if (this.#flavour === 'mosquitto') {
      this.#awaiting.set(publish.identifier, publish);
      return ack(0x50, publish.identifier, 0);
    }
    if (known !== undefined)
      return ack(0x50, publish.identifier, publish.dup && this.#flavour === 'emqx-6.2' ? 0 : 0x91);
    this.#awaiting.set(publish.identifier, publish);
    this.delivered.push(publish);
    return ack(0x50, publish.identifier, 0);
  }

  #pubrel(identifier: number): Buffer {
    const known = this.#awaiting.get(identifier);
    this.#awaiting.delete(identifier);
    if (this.#flavour === 'mosquitto') {
      if (known !== undefined) this.delivered.push(known);
      return ack(0x70, identifier, 0);
    }
    return ack(0x70, identifier, known === undefined ? 0x92 : 0);
  }
}

/** Of a broker that offers all. */
export const SOUND_TERMS: LinkTerms = {
  sessionPresent: false,
  receiveMaximum: 20,
  maximumPacketSize: Infinity,
  maximumQos: 2,
  retainAvailable: true,
  sessionExpirySeconds: undefined,
};

export interface ModelLink {
  readonly link: Link;
  /** Answers up to `count` packets; false when none was waiting. */
  answer(count: number): boolean;
  /** The next packet is never answered; false when none was waiting. */
  swallow(): boolean;
}

/** A link to the model whose packets wait until the test lets them be answered. `onEnd` hears a destroy by the agent. */
export function modelLink(
  broker: ModelBroker,
  sessionPresent: boolean,
  inbound: (chunk: Buffer) => unknown,
  onEnd: (end: LinkEnd) => void,
  terms: Partial<LinkTerms> = {},
): ModelLink {
  const waiting: Buffer[] = [];
  const link: Link = {
    terms: { ...SOUND_TERMS, sessionPresent, ...terms },
    resumed: undefined,
    full: false,
    write: (packets) => void waiting.push(...splitPackets(packets)),
    publish: () => Promise.resolve(),
    subscribe: () => Promise.resolve(),
    unsubscribe: () => Promise.resolve(undefined),
    end: () => Promise.resolve(),
    destroy: onEnd,
  };
  return {
    link,
    answer: (count) => {
      const taken = waiting.splice(0, count);
      if (taken.length === 0) return false;
      inbound(Buffer.concat(taken.map((packet) => broker.receive(packet))));
      return true;
    },
    swallow: () => waiting.shift() !== undefined,
  };
}

function ack(first: number, identifier: number, reason: number): Buffer {
  return Buffer.of(first, 3, identifier >> 8, identifier & 0xff, reason);
}

function splitPackets(bytes: Buffer): Buffer[] {
  const packets: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    const { value, size } = varint(bytes, at + 1);
    const end = at + 1 + size + value;
    packets.push(bytes.subarray(at, end));
    at = end;
  }
  return packets;
}

function decodePublish(packet: Buffer): Publish {
  const topicAt = 1 + varint(packet, 1).size;
  const topicEnd = topicAt + 2 + packet.readUInt16BE(topicAt);
  const properties = varint(packet, topicEnd + 2);
  return {
    identifier: packet.readUInt16BE(topicEnd),
    dup: ((packet[0] as number) & 0x08) !== 0,
    topic: packet.toString('utf8', topicAt + 2, topicEnd),
    payload: packet.toString('utf8', topicEnd + 2 + properties.size + properties.value),
  };
}

function varint(bytes: Buffer, at: number): { readonly value: number; readonly size: number } {
  let value = 0;
  for (let size = 1; size <= 4; size += 1) {
    const byte = bytes[at + size - 1] as number;
    value += (byte & 0x7f) * 128 ** (size - 1);
    if (byte < 0x80) return { value, size };
  }
  throw new Error('the sender wrote a length of more than four bytes');
}
