/**
 * A link of MQTT.js and a socket. MQTT.js does CONNECT, TLS, keep alive, subscriptions, QoS 0 and 1; QoS 2 is wholly our
 * own: a Duplex round the socket (the tap) shows every inbound chunk to our layer first, and our packets are written to
 * the socket between MQTT.js's. MQTT.js is a new client for every connection and never reconnects by itself: its store
 * resends serially, ignores session present and forgets DUP (measured; see docs/dependencies.md).
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { type IClientOptions, type IConnackPacket, MqttClient } from 'mqtt';
import { reasonOf } from '../fault.ts';
import type { Link, LinkEnd, LinkListener, LinkOpener, LinkOpening, LinkTarget, LinkTerms } from '../ports.ts';
import { endOfError, endOfReasonCode } from './link-end.ts';

/** Identifiers up to here belong to our own layer. */
const FIRST_MQTTJS_IDENTIFIER = 32_769;
const LAST_IDENTIFIER = 65_535;
/** QoS 1 publishes that the broker may have open towards us. */
const INBOUND_RECEIVE_MAXIMUM = 16;
/** Bytes of one packet from the broker. Commands and receipts are far smaller. */
const INBOUND_PACKET_BYTES_MAX = 256 * 1024;
const GOODBYE_MS = 2000;

export interface LinkCredentials {
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** `credentials` is asked at each attempt, so renewed files count from the next connection on. */
export function mqttLinkOpener(credentials: () => LinkCredentials): LinkOpener {
  const tickets = new Map<string, Buffer>();
  return {
    open: (target, listener) => {
      let current: LinkCredentials;
      try {
        current = credentials();
      } catch (error) {
        return Promise.resolve({ kind: 'refused', end: { kind: 'refused', text: reasonOf(error) } });
      }
      return new Attempt(target, listener, current, tickets).run();
    },
  };
}

class Attempt {
  readonly #target: LinkTarget;
  readonly #listener: LinkListener;
  readonly #credentials: LinkCredentials;
  readonly #tickets: Map<string, Buffer>;
  #socket: Socket | undefined;
  #client: MqttClient | undefined;
  #end: LinkEnd | undefined;
  #up = false;
  #over = false;
  #settle: (opening: LinkOpening) => void = () => undefined;

  constructor(target: LinkTarget, listener: LinkListener, credentials: LinkCredentials, tickets: Map<string, Buffer>) {
    this.#target = target;
    this.#listener = listener;
    this.#credentials = credentials;
    this.#tickets = tickets;
  }

  run(): Promise<LinkOpening> {
    return new Promise((settle) => {
      this.#settle = settle;
      const client = new MqttClient(() => this.#buildStream(), this.#options());
      this.#client = client;
      client.on('connect', (connack) => this.#onConnack(connack));
      client.on('error', (error) => this.#fail(endOfError(error)));
      client.on('disconnect', (packet) => this.#noteEnd(endOfReasonCode(packet.reasonCode ?? 0)));
      client.on('close', () => this.#onClose());
      client.on('message', (topic, payload, packet) => this.#listener.message(topic, payload, packet.retain));
      client.connect();
    });
  }

  #options(): IClientOptions {
    const { protocol, will, keepAliveMs, sessionExpiryMs, connectTimeoutMs } = this.#target;
    const { username, password } = this.#credentials;
    const options: IClientOptions = {
      manualConnect: true,
      clientId: this.#target.clientIdentifier,
      protocolId: 'MQTT',
      protocolVersion: protocol,
      clean: this.#target.cleanStart,
      keepalive: Math.round(keepAliveMs / 1000),
      connectTimeout: connectTimeoutMs,
      reconnectPeriod: 0,
      resubscribe: false,
      queueQoSZero: false,
      reschedulePings: false,
      messageIdProvider: new OwnRangeIdentifiers(),
      log: () => undefined,
      will: { topic: will.topic, payload: will.payload, qos: 1, retain: true },
    };
    if (username !== undefined) options.username = username;
    if (password !== undefined) options.password = password;
    if (protocol !== 5) return options;
    options.properties = {
      sessionExpiryInterval: Math.round(sessionExpiryMs / 1000),
      receiveMaximum: INBOUND_RECEIVE_MAXIMUM,
      maximumPacketSize: INBOUND_PACKET_BYTES_MAX,
      requestProblemInformation: false,
    };
    if (options.will !== undefined) {
      options.will.properties = { willDelayInterval: Math.round(will.delayMs / 1000), payloadFormatIndicator: true };
    }
    return options;
  }

  #buildStream(): Duplex {
    const socket = this.#openSocket();
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('drain', () => this.#up && !this.#over && this.#listener.drained());
    return new Tap(socket, (chunk) => this.#listener.inbound(chunk));
  }

  #openSocket(): Socket {
    const url = new URL(this.#target.url);
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    const secure = url.protocol === 'mqtts:';
    const port = Number(url.port || (secure ? 8883 : 1883));
    if (!secure) return connectTcp({ host, port });
    const { ca, cert, key } = this.#credentials;
    const session = this.#tickets.get(this.#target.url);
    const socket: TLSSocket = connectTls({
      host,
      port,
      // The environment variable NODE_TLS_REJECT_UNAUTHORIZED has no effect where this is said.
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(session === undefined ? {} : { session }),
    });
    socket.on('session', (ticket) => this.#tickets.set(this.#target.url, ticket));
    // A refused ticket must not keep a device out.
    socket.once('error', () => this.#tickets.delete(this.#target.url));
    return socket;
  }

  #onConnack(connack: IConnackPacket): void {
    if (this.#over) return;
    this.#up = true;
    this.#settle({ kind: 'up', link: this.#link(termsOf(connack)) });
  }

  #link(terms: LinkTerms): Link {
    const client = this.#client as MqttClient;
    const socket = this.#socket as Socket;
    return {
      terms,
      get full() {
        return socket.writableNeedDrain;
      },
      write: (packets) => {
        if (!this.#over) socket.write(packets);
      },
      publish: async (topic, payload, { qos, retain }) => {
        await client.publishAsync(topic, payload, { qos, retain });
      },
      subscribe: async (filter, qos) => {
        await client.subscribeAsync(filter, { qos });
      },
      end: () => this.#goodbye(),
      destroy: (end) => this.#fail(end),
    };
  }

  async #goodbye(): Promise<void> {
    this.#noteEnd({ kind: 'ended', text: 'ended by this side' });
    const closed = new Promise<void>((resolve) => this.#client?.once('close', resolve));
    const late = setTimeout(() => this.#socket?.destroy(), GOODBYE_MS);
    this.#client?.end(false);
    await closed;
    clearTimeout(late);
  }

  /** MQTT.js may report an error and leave the socket open, its parser deaf for good: the socket goes in any case. */
  #fail(end: LinkEnd): void {
    this.#noteEnd(end);
    this.#client?.end(true);
    this.#socket?.destroy();
    this.#onClose();
  }

  #noteEnd(end: LinkEnd): void {
    this.#end ??= end;
  }

  #onClose(): void {
    if (this.#over) return;
    this.#over = true;
    const end = this.#end ?? { kind: 'closed', text: 'the connection was closed' };
    if (this.#up) this.#listener.ended(end);
    else this.#settle({ kind: 'refused', end: end.kind === 'closed' ? { ...end, kind: 'unreachable' } : end });
    this.#client?.end(true);
    this.#client?.on('error', () => undefined);
    this.#socket?.destroy();
  }
}

/** The stream that MQTT.js sees: the socket, less what our own layer takes out of it. */
class Tap extends Duplex {
  readonly #socket: Socket;

  constructor(socket: Socket, inbound: (chunk: Buffer) => readonly Buffer[]) {
    super();
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      for (const part of inbound(chunk)) if (!this.push(part)) socket.pause();
    });
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // Done at once: what waits is then all in the socket, where `full` counts it and nothing can slip between.
    this.#socket.write(chunk);
    done();
  }

  /** One corked run of MQTT.js's is one packet: it goes to the socket without anything of ours in between. */
  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#socket.write(Buffer.concat(chunks.map((part) => part.chunk)));
    done();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}

/** MQTT.js's packet identifiers, kept out of our range. */
class OwnRangeIdentifiers {
  #last = LAST_IDENTIFIER;

  allocate(): number {
    this.#last = this.#last === LAST_IDENTIFIER ? FIRST_MQTTJS_IDENTIFIER : this.#last + 1;
    return this.#last;
  }

  getLastAllocated(): number {
    return this.#last;
  }

  register(): boolean {
    return true;
  }

  deallocate(): void {}

  clear(): void {}
}

function termsOf(connack: IConnackPacket): LinkTerms {
  const said = connack.properties;
  const maximumQos = said?.maximumQoS;
  return {
    sessionPresent: connack.sessionPresent,
    receiveMaximum: said?.receiveMaximum ?? 65_535,
    maximumPacketSize: said?.maximumPacketSize ?? Infinity,
    maximumQos: maximumQos === 0 || maximumQos === 1 ? maximumQos : 2,
    retainAvailable: said?.retainAvailable !== false,
    sessionExpirySeconds: said?.sessionExpiryInterval,
  };
}
