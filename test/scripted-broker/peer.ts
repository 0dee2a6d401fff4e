/** One connection of the scripted broker: takes whole packets, answers as the profile does, and fails as the script says. */
import type { Socket } from 'node:net';
import { generate, type IConnectPacket, type IPublishPacket, type Packet, parser } from 'mqtt-packet';
import { PACKET_TYPE, PacketSplitter } from '../../src/workbench/packet-splitter.ts';
import { emptySession, matches, type Message, type Session } from './memory.ts';
import type { Profile } from './profiles.ts';
import { takePublish, takePubrel } from './qos2.ts';
import type { Script, Step } from './script.ts';

const ACK_TYPE = { puback: 0x40, pubrec: 0x50, pubcomp: 0x70 } as const;
type AckKind = keyof typeof ACK_TYPE;

/** RST in one poll with bytes is an orderly end to libuv (`uv__stream_eof` at POLLHUP), so it follows behind them. */
const LAST_BYTES_MS = 3;

const NO_MATCHING_SUBSCRIBERS = 0x10;
const PROTOCOL_ERROR = 0x82;
const SESSION_TAKEN_OVER = 0x8e;
const RECEIVE_MAXIMUM_EXCEEDED = 0x93;
const PACKET_TOO_LARGE = 0x95;
const RETAIN_NOT_SUPPORTED = 0x9a;
const QOS_NOT_SUPPORTED = 0x9b;
const NO_SUBSCRIPTION_EXISTED = 0x11;
/** EMQX 5 ends a connection above this, and does not say so before (`max_awaiting_rel`). */
const AWAITING_MAX = 100;

/** What a connection needs of its broker. */
export interface Host {
  readonly profile: Profile;
  readonly script: Script;
  readonly heard: boolean;
  readonly note: (what: Noted) => void;
  /** The session of this client now; `clean` throws an older one away. */
  readonly join: (
    peer: Peer,
    client: string,
    make: () => Session,
    clean: boolean,
  ) => { session: Session; present: boolean };
  readonly left: (peer: Peer, client: string, session: Session) => void;
  readonly onward: (message: Message) => void;
  readonly retainedFor: (filter: string) => readonly Message[];
}

export type Noted =
  | { readonly kind: 'publish'; readonly packet: IPublishPacket; readonly connection: number }
  | { readonly kind: 'released'; readonly identifier: number }
  | { readonly kind: 'completed'; readonly identifier: number }
  | { readonly kind: 'dropped'; readonly identifier: number }
  | { readonly kind: 'ended'; readonly reason: number }
  | { readonly kind: 'connect'; readonly cleanStart: boolean; readonly refusal: number };

export class Peer {
  readonly #host: Host;
  readonly #socket: Socket;
  readonly #number: number;
  readonly #splitter = new PacketSplitter();
  readonly #parser = parser();
  readonly #repeats = new Map<number, number>();
  #protocol = 5;
  #client = '';
  #session: Session | undefined;
  #over = false;
  #lastIdentifier = 0;

  constructor(host: Host, socket: Socket, number: number) {
    this.#host = host;
    this.#socket = socket;
    this.#number = number;
    this.#parser.on('packet', (packet) => this.#take(packet));
    this.#parser.on('error', () => this.#end(PROTOCOL_ERROR));
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.once('close', () => this.#leave());
  }

  /** Another connection has this client's session now. */
  takenOver(): void {
    if (this.#host.profile.saysTakeover) this.#disconnect(SESSION_TAKEN_OVER);
    this.#close('end');
  }

  close(how: 'end' | 'reset'): void {
    this.#close(how);
  }

  /** A message for this client, where it has subscribed to it. */
  offer(message: Message, retained: boolean): void {
    const filters = [...(this.#session?.subscriptions ?? [])].filter(([filter]) => matches(filter, message.topic));
    if (filters.length === 0) return;
    const qos = Math.min(1, message.qos, ...filters.map(([, granted]) => granted)) as 0 | 1;
    this.#lastIdentifier = (this.#lastIdentifier % 65_535) + 1;
    const packet = { ...message, cmd: 'publish', qos, retain: retained, dup: false } as const;
    this.#send('publish', qos === 0 ? packet : { ...packet, messageId: this.#lastIdentifier });
  }

  #read(chunk: Buffer): void {
    for (const { type, bytes } of this.#splitter.take(chunk)) {
      if (this.#over) return;
      const cut = this.#host.script.inbound?.(type, bytes);
      if (cut !== undefined) return this.#close(cut.how);
      if (bytes.length > (this.#host.profile.terms.maximumPacketSize ?? Infinity) && type !== PACKET_TYPE.connect)
        return this.#end(PACKET_TOO_LARGE);
      this.#parser.parse(bytes);
    }
  }

  #take(packet: Packet): void {
    if (packet.cmd === 'connect') return this.#connect(packet);
    const session = this.#session;
    if (session === undefined) return this.#end(PROTOCOL_ERROR);
    switch (packet.cmd) {
      case 'publish':
        return this.#publish(packet, session);
      case 'pubrel':
        return this.#pubrel(packet.messageId ?? 0, session);
      case 'subscribe': {
        const granted = packet.subscriptions.map(({ topic, qos }) => {
          session.subscriptions.set(topic, qos);
          return qos;
        });
        this.#send('suback', { cmd: 'suback', messageId: packet.messageId ?? 0, granted });
        for (const { topic } of packet.subscriptions)
          for (const message of this.#host.retainedFor(topic)) this.offer(message, true);
        return;
      }
      case 'unsubscribe': {
        const granted = packet.unsubscriptions.map((filter) =>
          session.subscriptions.delete(filter) ? 0 : NO_SUBSCRIPTION_EXISTED,
        );
        return this.#send('unsuback', { cmd: 'unsuback', messageId: packet.messageId ?? 0, granted });
      }
      case 'pingreq':
        return this.#send('pingresp', { cmd: 'pingresp' });
      case 'disconnect':
        return this.#close('end');
      default:
        return;
    }
  }

  #connect(packet: IConnectPacket): void {
    const { profile } = this.#host;
    this.#protocol = packet.protocolVersion ?? 4;
    const cleanStart = packet.clean === true;
    const refusal = this.#refusalOf(packet);
    this.#host.note({ kind: 'connect', cleanStart, refusal });
    const five = this.#protocol === 5;
    if (refusal !== 0) {
      this.#send('connack', { cmd: 'connack', sessionPresent: false, reasonCode: refusal, returnCode: refusal });
      return this.#close('end');
    }
    const wanted = five ? (packet.properties?.sessionExpiryInterval ?? 0) : cleanStart ? 0 : Infinity;
    const expiry = Math.min(wanted, five ? (profile.terms.sessionExpiryInterval ?? Infinity) : Infinity);
    this.#client = packet.clientId;
    const make = (): Session => emptySession(cleanStart, expiry);
    const { session, present } = this.#host.join(this, this.#client, make, cleanStart);
    session.expirySeconds = expiry;
    this.#session = session;
    const properties = five ? { properties: { ...profile.terms } } : {};
    this.#send('connack', { cmd: 'connack', sessionPresent: present, reasonCode: 0, returnCode: 0, ...properties });
  }

  #refusalOf({ will }: IConnectPacket): number {
    const { terms } = this.#host.profile;
    if (this.#protocol !== 5 || will === undefined) return 0;
    if (will.retain && terms.retainAvailable === false) return RETAIN_NOT_SUPPORTED;
    return (will.qos ?? 0) > (terms.maximumQoS ?? 2) ? QOS_NOT_SUPPORTED : 0;
  }

  #publish(packet: IPublishPacket, session: Session): void {
    const { profile, script, heard } = this.#host;
    const { topic, qos, retain, dup } = packet;
    const message: Message = { topic, payload: Buffer.from(packet.payload), qos, retain };
    this.#host.note({ kind: 'publish', packet, connection: this.#number });
    if (qos > (profile.terms.maximumQoS ?? 2)) return this.#end(QOS_NOT_SUPPORTED);
    if (retain && profile.terms.retainAvailable === false) return this.#end(RETAIN_NOT_SUPPORTED);
    const identifier = packet.messageId ?? 0;
    if (qos < 2) {
      this.#host.onward(message);
      // Mosquitto says so too, though not on PUBREC.
      if (qos === 1) this.#ack('puback', identifier, heard ? 0 : NO_MATCHING_SUBSCRIBERS);
      return;
    }
    const seen = {
      topic,
      identifier,
      dup,
      payload: message.payload,
      connection: this.#number,
      atMs: performance.now(),
    };
    const refusal = script.refuse?.(seen);
    if (refusal !== undefined) return void this.#ack('pubrec', identifier, refusal);
    if (this.#fails('before PUBLISH is taken', identifier)) return;
    if (session.awaiting.has(identifier)) {
      const repeats = (this.#repeats.get(identifier) ?? 0) + 1;
      this.#repeats.set(identifier, repeats);
      if (repeats > profile.repeatsMax) return this.#end(PROTOCOL_ERROR);
    } else if (session.awaiting.size >= (profile.terms.receiveMaximum ?? AWAITING_MAX)) {
      return this.#end(RECEIVE_MAXIMUM_EXCEEDED);
    }
    const { reason, deliver, dropped } = takePublish(profile, session, { identifier, dup, message, heard });
    if (dropped === true) this.#host.note({ kind: 'dropped', identifier });
    if (deliver !== undefined) this.#host.onward(deliver);
    if (this.#fails('after PUBLISH is taken', identifier) || this.#fails('before PUBREC leaves', identifier)) return;
    this.#ack('pubrec', identifier, reason);
    this.#fails('after PUBREC has left', identifier);
  }

  #pubrel(identifier: number, session: Session): void {
    this.#host.note({ kind: 'released', identifier });
    if (this.#fails('before PUBREL is taken', identifier)) return;
    const { reason, deliver } = takePubrel(this.#host.profile, session, identifier);
    if (deliver !== undefined) this.#host.onward(deliver);
    if (this.#fails('after PUBREL is taken', identifier) || this.#fails('before PUBCOMP leaves', identifier)) return;
    if (this.#ack('pubcomp', identifier, reason)) this.#host.note({ kind: 'completed', identifier });
    this.#fails('after PUBCOMP has left', identifier);
  }

  /** Whether the script ends it here. */
  #fails(step: Step, identifier: number): boolean {
    if (this.#over) return true;
    const deed = this.#host.script.step?.(step, identifier) ?? 'pass';
    if (deed === 'end' || deed === 'reset') this.#close(deed);
    return deed !== 'pass';
  }

  /** Written by hand: mqtt-packet refuses reason codes that MQTT has not, and a test may want just these. */
  #ack(kind: AckKind, identifier: number, reason: number): boolean {
    const { shortAcks } = this.#host.profile;
    const tail = this.#protocol !== 5 || (shortAcks && reason === 0) ? [] : shortAcks ? [reason] : [reason, 0];
    return this.#put(kind, Buffer.of(ACK_TYPE[kind], 2 + tail.length, identifier >> 8, identifier & 0xff, ...tail));
  }

  #send(kind: string, packet: Packet): void {
    this.#put(kind, generate(packet, { protocolVersion: this.#protocol }));
  }

  /** Whether all of it left. */
  #put(kind: string, bytes: Buffer): boolean {
    if (this.#over) return false;
    const mutated = this.#host.script.mutate?.(kind, bytes);
    if (mutated !== undefined) {
      for (const part of mutated) this.#socket.write(part);
      return true;
    }
    const cut = this.#host.script.outbound?.(kind, bytes);
    this.#socket.write(cut === undefined ? bytes : bytes.subarray(0, cut.bytes));
    if (cut === undefined) return true;
    this.#close(cut.how);
    return cut.bytes >= bytes.length;
  }

  #disconnect(reasonCode: number): void {
    if (this.#protocol === 5) this.#send('disconnect', { cmd: 'disconnect', reasonCode });
  }

  #end(reason: number): void {
    this.#host.note({ kind: 'ended', reason });
    this.#disconnect(reason);
    this.#close('end');
  }

  #close(how: 'end' | 'reset'): void {
    if (this.#over) return;
    this.#over = true;
    this.#leave();
    if (how === 'reset') setTimeout(() => this.#socket.resetAndDestroy(), LAST_BYTES_MS);
    else this.#socket.destroySoon();
  }

  #leave(): void {
    const session = this.#session;
    this.#session = undefined;
    if (session !== undefined) this.#host.left(this, this.#client, session);
  }
}
