/**
 * How brokers answer, one profile each. Measured answers are from raw packets against Mosquitto 2.0.11, EMQX 5.3.2, NanoMQ
 * 0.24.14 and ejabberd 23.01; what is read in an issue names it. A profile is no proof about the broker itself.
 */

/** A PUBLISH whose identifier still awaits its PUBREL. `again`: PUBREC 0, nothing more. `in-use`: 0x91 (MQTT 5). */
type OnKnown = 'again' | 'in-use' | 'in-use-without-dup' | 'delivered-again';

export interface Terms {
  readonly receiveMaximum?: number;
  readonly maximumPacketSize?: number;
  readonly maximumQoS?: 0 | 1;
  readonly retainAvailable?: false;
  readonly sessionExpiryInterval?: number;
}

export interface Profile {
  readonly name: string;
  /** When a consumer gets a QoS 2 message. */
  readonly delivers: 'at PUBLISH' | 'at PUBREL';
  readonly onKnown: OnKnown;
  readonly unknownPubrel: 0 | 0x92;
  /** PUBREC when nobody is subscribed. */
  readonly unheard: 0 | 0x10;
  /** A PUBLISH with DUP of an identifier it does not know is answered as if it were taken, and dropped. */
  readonly dropsUnseenDup: boolean;
  /** Repeats of one PUBLISH on one connection; one more ends it with 0x82. */
  readonly repeatsMax: number;
  /** DISCONNECT 0x8E to the connection that another client takes over; otherwise it is closed without a word. */
  readonly saysTakeover: boolean;
  /** What of the sessions outlives an orderly restart. */
  readonly keeps: 'sessions' | 'sessions not made by Clean Start' | 'nothing';
  /** Acknowledgements of two bytes where the reason is 0 (MQTT 5, 3.4.2.1). */
  readonly shortAcks: boolean;
  /** What CONNACK says (MQTT 5). */
  readonly terms: Terms;
}

/** Debian's. Sessions made by Clean Start are not saved, a taken-over connection is closed silently (mosquitto #2340). */
export const MOSQUITTO_2_0_11: Profile = {
  name: 'Mosquitto 2.0.11',
  delivers: 'at PUBREL',
  onKnown: 'again',
  unknownPubrel: 0,
  unheard: 0,
  dropsUnseenDup: false,
  repeatsMax: Number.POSITIVE_INFINITY,
  saysTakeover: false,
  keeps: 'sessions not made by Clean Start',
  shortAcks: true,
  terms: { receiveMaximum: 20 },
};

/** From 2.0.16 on a second repeat on one connection is a protocol error (mosquitto #3602, #3599, #3699). */
export const MOSQUITTO_2_0_20: Profile = {
  ...MOSQUITTO_2_0_11,
  name: 'Mosquitto 2.0.20',
  repeatsMax: 1,
  saysTakeover: true,
  keeps: 'sessions',
};

/** Says no receive maximum, and ends the connection with 0x93 above 100; sessions are in memory (emqx #6981, #15055). */
export const EMQX_5: Profile = {
  name: 'EMQX 5',
  delivers: 'at PUBLISH',
  onKnown: 'in-use',
  unknownPubrel: 0x92,
  unheard: 0x10,
  dropsUnseenDup: false,
  repeatsMax: Number.POSITIVE_INFINITY,
  saysTakeover: true,
  keeps: 'nothing',
  shortAcks: false,
  terms: { maximumPacketSize: 1_048_576 },
};

/** 6.2.0 to 6.2.3 drop a DUP that they never saw (emqx #18441, brought by #16721, mended by #18470). */
export const EMQX_6_2_0: Profile = {
  ...EMQX_5,
  name: 'EMQX 6.2.0',
  onKnown: 'in-use-without-dup',
  dropsUnseenDup: true,
};

/** A repeat is delivered again (nanomq #2412, H-18); a takeover is silent (nanomq #1927, #2336). */
export const NANOMQ: Profile = {
  ...EMQX_5,
  name: 'NanoMQ',
  onKnown: 'delivered-again',
  unknownPubrel: 0,
  unheard: 0,
  saysTakeover: false,
  terms: {},
};

export const EJABBERD: Profile = { ...EMQX_5, name: 'ejabberd', onKnown: 'again', terms: {} };

/** AWS IoT Core: docs.aws.amazon.com/iot/latest/developerguide/mqtt.html; RabbitMQ is alike (rabbitmq-server 3f7f5cf). */
export const NO_QOS_2: Profile = {
  ...EMQX_5,
  name: 'AWS-like, no QoS 2',
  unheard: 0,
  keeps: 'sessions',
  terms: { maximumQoS: 1, receiveMaximum: 100, maximumPacketSize: 149_504, sessionExpiryInterval: 3600 },
};

export const QOS_0_ONLY: Profile = { ...NO_QOS_2, name: 'QoS 0 only', terms: { maximumQoS: 0 } };

/** A retained will is refused with 0x9A, as MQTT-3.2.2-13 demands (emqx #16781, #2607; rmqtt #460; mosquitto #1827). */
export const NO_RETAIN: Profile = { ...MOSQUITTO_2_0_20, name: 'no retain', terms: { retainAvailable: false } };

export const NO_PERSISTENT_SESSION: Profile = {
  ...MOSQUITTO_2_0_20,
  name: 'no persistent session',
  terms: { receiveMaximum: 20, sessionExpiryInterval: 0 },
};

export const RECEIVE_MAXIMUM_1: Profile = {
  ...MOSQUITTO_2_0_20,
  name: 'receive maximum 1',
  terms: { receiveMaximum: 1 },
};

/** An event fits. */
export const SMALL_PACKETS: Profile = {
  ...MOSQUITTO_2_0_20,
  name: 'maximum packet size 1024',
  terms: { receiveMaximum: 20, maximumPacketSize: 1024 },
};

/** Profiles on which each event comes exactly once while the session is kept. */
export const CONFORMING: readonly Profile[] = [MOSQUITTO_2_0_11, MOSQUITTO_2_0_20, EMQX_5, EJABBERD, RECEIVE_MAXIMUM_1];
