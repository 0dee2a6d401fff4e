/**
 * A link of MQTT.js and a socket. MQTT.js does CONNECT, TLS, keep alive, subscriptions, QoS 0 and 1; QoS 2 is wholly our
 * own: a Duplex round the socket (the tap) shows every inbound chunk to our layer first, and our packets are written to
 * the socket between MQTT.js's. MQTT.js is a new client for every connection and never reconnects by itself: its store
 * resends serially, ignores session present and forgets DUP (measured; see docs/dependencies.md).
 */
import type { Duplex } from 'node:stream';
import { type IClientOptions, type IConnackPacket, MqttClient, Store } from 'mqtt';
import { writeToStream } from 'mqtt-packet';
import { type BrokerAddress, parseBrokerUrl } from '../broker-url.ts';
import { Fault, reasonOf } from '../fault.ts';
import { QOS1_IN_FLIGHT_MAX } from '../limits.ts';
import type { Link, LinkEnd, LinkListener, LinkOpener, LinkOpening, LinkTarget, LinkTerms } from '../ports-broker.ts';
import { AnswerDeadline } from './answer-deadline.ts';
import { type BrokerSocket, loadWebSocket, openBrokerSocket, type WebSocketLibrary } from './broker-socket.ts';
import type { FlooredClock } from '../ports.ts';
import { systemClock } from './clock.ts';
import type { CertificateFacts } from './identity.ts';
import { InboundStore } from './inbound-store.ts';
import { clockWords, type EndContext, endOfBadPacket, endOfError, endOfReasonCode, endOfUpgrade } from './link-end.ts';
import { type BadPacket, PacketGate } from './packet-gate.ts';
import { GIVEN_UP, probeLink } from './link-probe.ts';
import { MqttjsIdentifiers } from './mqttjs-identifiers.ts';
import { messageOf, rejectAsFault, termsOf, tooLarge, wasSubscribed } from './mqtt-answers.ts';
import { publishBytes } from './publish-bytes.ts';
import { Tap } from './tap.ts';
import { TlsTickets } from './tls-tickets.ts';
import { Turns } from './turns.ts';
import { FULL_WILL, willAfter, type WillTerms } from './will-terms.ts';

/** QoS 1 publishes that the broker may have open towards us. */
const INBOUND_RECEIVE_MAXIMUM = 16;
/** Bytes of one packet from the broker, announced over MQTT 5, held to on both. Commands and receipts are far smaller. */
const INBOUND_PACKET_BYTES_MAX = 256 * 1024;
const GOODBYE_MS = 2000;
const CONNECTION_OVER = 'the connection is over';

// Under MQTT.js: 65,536 buffers of two bytes, made at the first packet. Without them 6 MiB and 50 ms of CPU less (measured
// with `npm run bench -- footprint`), and the few packets of ours pay nothing for it.
writeToStream.cacheNumbers = false;

export interface LinkCredentials {
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
  readonly crl: Buffer | undefined;
  /** Name in the broker's certificate, where it is not the host of the URL. */
  readonly serverName?: string | undefined;
  /** Protocols offered by ALPN. */
  readonly alpn?: readonly string[] | undefined;
  /** TLS-PSK instead of certificates. */
  readonly psk?: { readonly identity: string; readonly key: Buffer } | undefined;
  readonly certificate: CertificateFacts | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

export interface LinkOpenerOptions {
  /** Says what a date is worth that a certificate is refused for. Default: the system's. */
  readonly clock?: FlooredClock;
  /** As `credentials`, where nothing is opened with them. */
  readonly forProbe?: () => LinkCredentials;
}

/** `credentials` is asked at each attempt, so renewed files count from the next connection on. */
export function mqttLinkOpener(
  credentials: () => LinkCredentials,
  { clock = systemClock, forProbe = credentials }: LinkOpenerOptions = {},
): LinkOpener {
  const tickets = new TlsTickets();
  const wills = new Map<string, WillTerms>();
  return {
    open: async (target, listener) => {
      try {
        const way = await wayTo(target.url);
        // Each turn asks for less, so there are three at most.
        for (;;) {
          const will = wills.get(target.url) ?? FULL_WILL;
          const opening = await new Attempt({ ...target, ...will, ...way }, listener, {
            credentials: credentials(),
            tickets,
            clock,
          }).run();
          const next = willAfter(will, opening);
          if (next === undefined) wills.delete(target.url);
          else wills.set(target.url, next);
          if (opening.kind === 'up' || next === undefined || next === will) return opening;
        }
      } catch (error) {
        // The files can not be read, or OpenSSL takes no such key or certificate (too weak, no engine for it).
        return { kind: 'refused', end: { word: 'identity.files', text: reasonOf(error) } };
      }
    },
    probe: async ({ url, clientIdentifier, connectTimeoutMs: timeoutMs, signal }) => {
      try {
        return await probeLink({ url, device: clientIdentifier, timeoutMs, signal }, forProbe(), clock);
      } catch (error) {
        return { word: 'identity.files', text: reasonOf(error) };
      }
    },
  };
}

/** Where a URL leads, and what is needed for it. */
interface Way {
  readonly address: BrokerAddress;
  readonly library: WebSocketLibrary | undefined;
}

async function wayTo(url: string): Promise<Way> {
  const address = parseBrokerUrl(url);
  if (address === undefined) throw new Fault('config.invalid', `${url}: no URL of a broker`);
  return { address, library: address.transport === 'websocket' ? await loadWebSocket() : undefined };
}

interface AttemptMeans {
  readonly credentials: LinkCredentials;
  readonly tickets: TlsTickets;
  readonly clock: FlooredClock;
}

class Attempt {
  readonly #target: LinkTarget & WillTerms & Way;
  readonly #listener: LinkListener;
  readonly #credentials: LinkCredentials;
  readonly #tickets: TlsTickets;
  readonly #clock: FlooredClock;
  #sockets: BrokerSocket | undefined;
  #tap: Tap | undefined;
  #phase: EndContext['phase'] = 'tcp';
  #resumed: boolean | undefined;
  #client: MqttClient | undefined;
  #end: LinkEnd | undefined;
  #up = false;
  #over = false;
  /** Rejects what the broker has not answered yet. */
  readonly #unanswered = new Set<(error: Error) => void>();
  #settle: (opening: LinkOpening) => void = () => undefined;

  constructor(
    target: LinkTarget & WillTerms & Way,
    listener: LinkListener,
    { credentials, tickets, clock }: AttemptMeans,
  ) {
    this.#target = target;
    this.#listener = listener;
    this.#credentials = credentials;
    this.#tickets = tickets;
    this.#clock = clock;
  }

  run(): Promise<LinkOpening> {
    return new Promise((settle) => {
      this.#settle = settle;
      const client = new MqttClient(() => this.#buildStream(), this.#options());
      this.#client = client;
      client.on('connect', (connack) => this.#onConnack(connack));
      client.on('error', (error) => this.#fail(endOfError(error, this.#context())));
      client.on('disconnect', (packet) => this.#noteEnd(endOfReasonCode(packet.reasonCode ?? 0, this.#context())));
      client.on('close', () => this.#onClose());
      // What came behind a bad packet is nothing that this side acts on.
      client.on('message', (topic, payload, packet) => {
        if (!this.#over) this.#listener.message(messageOf(topic, payload, packet));
      });
      client.connect();
      const { signal } = this.#target;
      const giveUp = (): void => void (this.#up || this.#fail(GIVEN_UP));
      if (signal?.aborted === true) giveUp();
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }

  #context(): EndContext {
    const { certificate, password, psk } = this.#credentials;
    return {
      ...clockWords(this.#clock),
      device: this.#target.clientIdentifier,
      certificate,
      password: password !== undefined,
      psk: psk !== undefined,
      phase: this.#phase,
    };
  }

  #options(): IClientOptions {
    const { protocol, will, willQos, willRetain, keepAliveMs, sessionExpiryMs, connectTimeoutMs } = this.#target;
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
      messageIdProvider: new MqttjsIdentifiers(),
      // Its own stores are gone once it has ended, and packets that came in one chunk with a bad one are handled after that:
      // an acknowledgement among them then ends the process (5.16.0, found by `npm run fuzz`).
      incomingStore: new InboundStore(),
      outgoingStore: new Store({ clean: false }),
      log: () => undefined,
    };
    if (will !== undefined) {
      options.will = { topic: will.topic, payload: will.payload, qos: willQos, retain: willRetain };
    }
    if (username !== undefined) options.username = username;
    if (password !== undefined) options.password = password;
    if (protocol !== 5) return options;
    options.properties = {
      sessionExpiryInterval: Math.round(sessionExpiryMs / 1000),
      receiveMaximum: INBOUND_RECEIVE_MAXIMUM,
      maximumPacketSize: INBOUND_PACKET_BYTES_MAX,
      requestProblemInformation: false,
    };
    if (options.will !== undefined && will !== undefined) {
      options.will.properties = { willDelayInterval: Math.round(will.delayMs / 1000), payloadFormatIndicator: true };
    }
    return options;
  }

  #buildStream(): Duplex {
    const { url: broker, address, library } = this.#target;
    const session = address.isSecure ? this.#tickets.take(broker, this.#credentials) : undefined;
    if (address.isSecure) this.#resumed = false;
    const sockets = openBrokerSocket(
      address,
      { ...this.#credentials, floorMs: this.#clock.floorMs },
      session,
      {
        connected: () => {
          this.#phase = 'tls';
        },
        secured: (socket) => {
          this.#phase = 'mqtt';
          this.#resumed = socket.isSessionReused();
        },
        ticket: (ticket, socket) => this.#tickets.keep(broker, this.#credentials, ticket, socket.isSessionReused()),
        upgrading: () => {
          this.#phase = 'websocket';
        },
        upgraded: () => {
          this.#phase = 'mqtt';
        },
        upgradeRefused: (status) => this.#noteEnd(endOfUpgrade(status)),
      },
      library,
    );
    this.#sockets = sockets;
    const { stream } = sockets;
    stream.on('drain', () => this.#up && !this.#over && this.#listener.drained());
    this.#tap = new Tap(stream, {
      inbound: (chunk) => this.#listener.inbound(chunk),
      guard: { gate: new PacketGate(INBOUND_PACKET_BYTES_MAX), bad: (packet) => this.#refuse(packet) },
      plain: !address.isSecure || library !== undefined,
    });
    return this.#tap;
  }

  #refuse(packet: BadPacket): void {
    const { end, reason } = endOfBadPacket(packet, INBOUND_PACKET_BYTES_MAX);
    // MQTT 5, 4.13.1: a client says why before it closes. Unlike reason 0, this lets the will be published.
    if (this.#up && !this.#over && this.#target.protocol === 5)
      this.#sockets?.stream.write(Buffer.of(0xe0, 2, reason, 0));
    this.#fail(end);
  }

  #onConnack(connack: IConnackPacket): void {
    if (this.#over) return;
    this.#up = true;
    this.#phase = 'up';
    this.#settle({ kind: 'up', link: this.#link(termsOf(connack)) });
  }

  #link(terms: LinkTerms): Link {
    const client = this.#client as MqttClient;
    const { stream } = this.#sockets as BrokerSocket;
    const { protocol } = this.#target;
    const turns = new Turns(Math.min(QOS1_IN_FLIGHT_MAX, terms.receiveMaximum - 1));
    const deadline = new AnswerDeadline({
      clock: this.#clock,
      whenLeft: (run) => this.#tap?.whenLeft(run),
      late: (end) => this.#fail(end),
    });
    return {
      terms,
      get full() {
        return stream.writableNeedDrain;
      },
      write: (packets) => {
        if (!this.#over) stream.write(packets);
      },
      resumed: this.#resumed,
      publish: async (topic, payload, { qos, retain, ...told }) => {
        const properties = Object.keys(told).length === 0 || protocol !== 5 ? {} : { properties: told };
        // A broker that takes one publish at a time is kept free for events (MQTT 5, 4.9).
        const level = qos === 1 && terms.receiveMaximum > 1 ? 1 : 0;
        const bytes = publishBytes(protocol, topic, payload, level, told);
        // MQTT-3.2.2-15: a broker ends the connection over it, and the next one, as soon as it is said again.
        if (bytes > terms.maximumPacketSize) throw tooLarge(topic, bytes, terms.maximumPacketSize);
        const send = async (): Promise<void> => {
          await client.publishAsync(topic, payload, { qos: level, retain, ...properties });
        };
        const sent = (): Promise<void> => this.#whileUp(send);
        const acknowledged = (): Promise<void> => deadline.of('PUBACK', sent);
        await (level === 0 ? sent() : turns.take(acknowledged)).catch(rejectAsFault(topic));
      },
      subscribe: async (filter, qos) => {
        // Retain as published (MQTT 5, 3.8.3.1): what is published retained while we are here says so too.
        await this.#whileUp(() => client.subscribeAsync(filter, { qos, rap: true })).catch(rejectAsFault(filter));
      },
      unsubscribe: async (filter) => {
        const answer = await deadline.of('UNSUBACK', () => this.#whileUp(() => client.unsubscribeAsync(filter)));
        return wasSubscribed(filter, answer);
      },
      end: (end) => this.#goodbye(end),
      destroy: (end) => this.#fail(end),
    };
  }

  /**
   * MQTT.js keeps what was not acknowledged for a connection of its own that never comes, without a word (5.16.0): whoever
   * waits for the broker's answer is told here that there will be none.
   */
  #whileUp<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#over) return reject(new Error(CONNECTION_OVER));
      this.#unanswered.add(reject);
      void ask()
        .then(resolve, reject)
        .finally(() => this.#unanswered.delete(reject));
    });
  }

  async #goodbye(end: LinkEnd = { word: 'own.ended', text: 'ended by this side' }): Promise<void> {
    // Its close has been, and comes no second time.
    if (this.#over) return;
    this.#noteEnd(end);
    const closed = new Promise<void>((resolve) => this.#client?.once('close', resolve));
    const late = setTimeout(() => this.#sockets?.socket.destroy(), GOODBYE_MS);
    this.#client?.end(false);
    await closed;
    clearTimeout(late);
  }

  /** MQTT.js may report an error and leave the socket open, its parser deaf for good: the socket goes in any case. */
  #fail(end: LinkEnd): void {
    this.#noteEnd(end);
    this.#client?.end(true);
    this.#sockets?.socket.destroy();
    this.#onClose();
  }

  #closedText(): string {
    // Mosquitto 2.0 does not say that another client took the session over.
    if (this.#up)
      return 'the broker closed the connection without a word; a takeover by another client may look like this';
    const closed = 'the connection was closed before CONNACK';
    if (this.#phase === 'tcp') return `${closed}; a port with TLS may look like this`;
    // With TLS 1.3 a broker judges our certificate only after its own part is done, and may hang up without a word.
    return this.#resumed === undefined ? closed : `${closed}; a broker that refuses our certificate may look like this`;
  }

  #noteEnd(end: LinkEnd): void {
    this.#end ??= end;
  }

  #onClose(): void {
    if (this.#over) return;
    this.#over = true;
    const end = this.#end ?? { word: 'broker.closed', text: this.#closedText() };
    if (this.#up) this.#listener.ended(end);
    else {
      if (this.#phase !== 'tcp') this.#tickets.drop(this.#target.url);
      this.#settle({ kind: 'refused', end });
    }
    this.#client?.end(true);
    this.#client?.on('error', () => undefined);
    this.#sockets?.socket.destroy();
    for (const reject of this.#unanswered) reject(new Error(CONNECTION_OVER));
    this.#unanswered.clear();
  }
}
