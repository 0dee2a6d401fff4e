/**
 * The ports of the broker's side (ports.ts says what a port is): one link, what it carries, and why it ended.
 */

/** MQTT 5 or 3.1.1, by the number in CONNECT. */
export type Protocol = 4 | 5;

export interface LinkTarget {
  /** As broker-url.ts has it. */
  readonly url: string;
  readonly protocol: Protocol;
  readonly clientIdentifier: string;
  readonly cleanStart: boolean;
  readonly keepAliveMs: number;
  readonly sessionExpiryMs: number;
  readonly connectTimeoutMs: number;
  /** Undefined: none. */
  readonly will: { readonly topic: string; readonly payload: Buffer; readonly delayMs: number } | undefined;
  /** Gives the attempt up; of a link that is up it says nothing. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * What ended a link or kept it from coming up, as a stable word: what a person has to mend, each in another place. It is
 * in the log, in the status and in status.json (docs/OPERATIONS.md lists them).
 */
export type LinkWord =
  | 'tls.other-ca'
  | 'tls.wrong-name'
  | 'tls.clock'
  | 'tls.expired'
  | 'tls.not-yet-valid'
  | 'tls.revoked'
  | 'tls.no-crl'
  | 'tls.not-tls'
  | 'tls.version'
  | 'tls.no-alpn'
  | 'tls.other'
  | 'websocket.refused'
  | 'identity.missing'
  | 'identity.unknown-ca'
  | 'identity.revoked'
  | 'identity.expired'
  | 'identity.not-yet-valid'
  | 'identity.rejected'
  | 'identity.psk'
  | 'identity.files'
  | 'login.password'
  | 'login.forbidden'
  | 'login.client-identifier'
  | 'broker.busy'
  | 'broker.protocol'
  | 'broker.stopping'
  | 'broker.refused'
  | 'broker.too-large'
  | 'broker.taken-over'
  | 'broker.silent'
  | 'broker.closed'
  | 'network.refused'
  | 'network.unreachable'
  | 'network.name'
  | 'network.timeout'
  | 'network.lost'
  | 'own.ended';

/** Why a link is over, or was never up. Tests and the retry check `word`, people read `text`. */
export interface LinkEnd {
  readonly word: LinkWord;
  readonly text: string;
  /** The broker's reason code, where it gave one. */
  readonly code?: number;
}

/** A message as it came down. The properties are MQTT 5's; over 3.1.1 there are none. */
export interface InboundMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly retained: boolean;
  readonly responseTopic?: string;
  readonly correlationData?: Buffer;
  /** What is left of the message expiry interval. */
  readonly expirySeconds?: number;
}

export interface PublishOptions {
  readonly qos: 0 | 1;
  readonly retain: boolean;
  /** MQTT 5 only; left out over 3.1.1. */
  readonly correlationData?: Buffer;
  /** MQTT 5 only; left out over 3.1.1. */
  readonly contentType?: string;
  /** MQTT 5 only; left out over 3.1.1. Where an answer goes. */
  readonly responseTopic?: string;
  /** MQTT 5 only; left out over 3.1.1. Seconds. */
  readonly messageExpiryInterval?: number;
}

export interface LinkListener {
  /** Bytes from the broker, before MQTT.js. Returns what is MQTT.js's of them, in order; the rest was our own layer's. */
  inbound(chunk: Buffer): readonly Buffer[];
  /** The socket takes bytes again after it was full. */
  drained(): void;
  message(message: InboundMessage): void;
  /** Exactly once, last. */
  ended(end: LinkEnd): void;
}

/** What the broker said in CONNACK; the standard's defaults where it said nothing. */
export interface LinkTerms {
  readonly sessionPresent: boolean;
  readonly receiveMaximum: number;
  /** Bytes; Infinity: no bound said. */
  readonly maximumPacketSize: number;
  readonly maximumQos: 0 | 1 | 2;
  readonly retainAvailable: boolean;
  /** Seconds that the broker keeps the session, where it changed what we asked. */
  readonly sessionExpirySeconds: number | undefined;
}

export interface Link {
  readonly terms: LinkTerms;
  /** The socket holds more than it wants to: `drained` follows. */
  readonly full: boolean;
  /** Own packets, in one piece. */
  write(packets: Buffer): void;
  /** The TLS session was resumed from the one before; undefined without TLS. */
  readonly resumed: boolean | undefined;
  /**
   * QoS 0 or 1 through MQTT.js. Resolves when sent (QoS 0) or acknowledged (QoS 1). Rejects with Fault `broker.forbidden`
   * when an access rule refuses it, with `broker.refused` for another reason code, with the link's error otherwise.
   */
  publish(topic: string, payload: Buffer, options: PublishOptions): Promise<void>;
  /** Rejects as `publish` does. */
  subscribe(filter: string, qos: 0 | 1): Promise<void>;
  /**
   * True: there was such a subscription; false: there was none (0x11); undefined: the broker can not say (MQTT 3.1.1).
   * Rejects as `publish` does.
   */
  unsubscribe(filter: string): Promise<boolean | undefined>;
  /** DISCONNECT with reason 0, which takes the will back; then closes. `end`: what `ended` is told; default `own.ended`. */
  end(end?: LinkEnd): Promise<void>;
  /** Closes without DISCONNECT: the broker will publish the will. */
  destroy(end: LinkEnd): void;
}

/** `refused`: the link never came up. */
export type LinkOpening =
  | { readonly kind: 'up'; readonly link: Link }
  | { readonly kind: 'refused'; readonly end: LinkEnd };

export interface LinkOpener {
  /** Never rejects. After `refused` the listener hears nothing more. */
  open(target: LinkTarget, listener: LinkListener): Promise<LinkOpening>;
  /**
   * Whether a link could come up, up to CONNECT, which is not sent: so nothing changes at the broker. Undefined: it could.
   * Never rejects.
   */
  probe(
    target: Pick<LinkTarget, 'url' | 'clientIdentifier' | 'connectTimeoutMs' | 'signal'>,
  ): Promise<LinkEnd | undefined>;
}

/** The files that a link proves itself with may be renewed while it is up. */
export interface Renewal {
  /** Why renewed files are not used; undefined: nothing is amiss. */
  readonly trouble: string | undefined;
  /**
   * sha256 of the certificate's file, hexadecimal, as the newest attempt took it, the one of the present link where there is
   * one; undefined: none was shown.
   */
  readonly shown: string | undefined;
  /** `renew` asks for a link with the files as they are now, and resolves with why there is none. `changed`: `trouble` has. */
  start(renew: () => Promise<LinkEnd | undefined>, changed: () => void): void;
  stop(): void;
}
