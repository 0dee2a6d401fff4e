/**
 * The doctor's own connection to a broker, as `<device>-doctor`: never the device's client identifier, which would throw the
 * running agent out. A first connection asks for terms and touches nothing; a second one, with Clean Start and no session
 * to stay, tries what the agent will need.
 *
 * Some brokers put the certificate's name in place of the client identifier (EMQX: `peer_cert_as_clientid = cn`). There even
 * the first connection is the agent's own. It keeps the agent's session, lets MQTT.js see nothing but CONNACK, so that nothing
 * is acknowledged that the agent has not seen, and is the last one as soon as a session is present.
 */
import { parseBrokerUrl } from '../broker-url.ts';
import { guaranteeOf } from '../delivery/guarantee.ts';
import type { DeviceConfig } from '../config/schema.ts';
import { topicsOf } from '../broker/topics.ts';
import { type LinkCredentials, mqttLinkOpener } from '../platform/mqtt-link.ts';
import type { InboundMessage, Link, LinkListener, LinkOpening, LinkTerms } from '../ports-broker.ts';
import { durationText, sizeText } from '../config/units.ts';
import { type BrokerKind, brokerKindOf, guaranteeFinding, kindFinding, VERSION_FILTERS } from './doctor-broker-kind.ts';
import { failed, type Finding, ok, skipped, warning, within } from './doctor-finding.ts';
import { todoOf } from './doctor-network.ts';
import { accessFindings, ownTopicFindings, type Wire } from './doctor-topics.ts';

const VERSION_MS = 1000;
const LEAVE_MS = 3000;
const POLL_MS = 20;
const KEEP_MESSAGES_MAX = 100;

export interface MqttLook {
  readonly url: string;
  readonly config: DeviceConfig;
  readonly credentials: LinkCredentials;
}

export async function mqttFindings(look: MqttLook): Promise<readonly Finding[]> {
  const first = await open(look, 'keep', connackOnly());
  if (first.kind === 'refused') return [refusedFinding(first, look)];
  const { terms } = first.link;
  await leave(first.link);
  if (terms.sessionPresent) {
    const found =
      `the broker has a session for ${identifierOf(look)} already: it puts the name of the certificate in its place, ` +
      'or an earlier doctor was cut off';
    const todo =
      'a running agent was disconnected and comes back by itself; use --no-mqtt on this broker (EMQX: peer_cert_as_clientid)';
    const unknown: BrokerKind = { name: 'unknown', version: undefined };
    return [warning('CONNECT', found, todo), termsFinding(terms), guarantee(look, terms, unknown), untried()];
  }
  const heard: InboundMessage[] = [];
  const second = await open(look, 'forget', {
    inbound: (chunk) => [chunk],
    drained: () => undefined,
    message: (message) => void (heard.length < KEEP_MESSAGES_MAX && heard.push(message)),
    ended: () => undefined,
  });
  if (second.kind === 'refused') return [refusedFinding(second, look)];
  const { link } = second;
  try {
    const kind = await brokerKind(link, heard);
    const wire: Wire = { link, heard, protocol: look.config.broker.protocol };
    const { prefix } = look.config.topics;
    return [
      ok('CONNECT', `accepted as ${identifierOf(look)}, MQTT ${wire.protocol === 5 ? '5' : '3.1.1'}`),
      kindFinding(kind),
      termsFinding(terms),
      guarantee(look, terms, kind),
      ...(await ownTopicFindings(wire, topicsOf(prefix, look.config.device.id))),
      ...(await accessFindings(wire, prefix)),
    ];
  } finally {
    await leave(link);
  }
}

/** On a link that the broker has ended meanwhile the farewell may never end. */
async function leave(link: Link): Promise<void> {
  await within(link.end(), LEAVE_MS, 'DISCONNECT').catch(() => undefined);
}

function untried(): Finding {
  return skipped('topics', "trying them would take the running agent's place");
}

function refusedFinding({ end }: Extract<LinkOpening, { kind: 'refused' }>, { url }: MqttLook): Finding {
  return failed('CONNECT', `${end.word}: ${end.text}`, todoOf(end, parseBrokerUrl(url), 'CONNECT'));
}

function identifierOf({ config }: MqttLook): string {
  return `${config.device.id}-doctor`;
}

/** `keep`: as the agent connects, so that the broker says how long it keeps a session. `forget`: removes that one again. */
function open(look: MqttLook, session: 'keep' | 'forget', listener: LinkListener): Promise<LinkOpening> {
  const { url, config, credentials } = look;
  const { protocol, keepAlive, sessionExpiry, connectTimeout } = config.broker;
  const { certificate } = credentials;
  const clientIdentifier = identifierOf(look);
  // The words about a refusal compare the certificate's name with the client identifier, which here is another by design.
  const named =
    certificate?.commonName === config.device.id ? { ...certificate, commonName: clientIdentifier } : certificate;
  return mqttLinkOpener(() => ({ ...credentials, certificate: named })).open(
    {
      url,
      protocol,
      clientIdentifier,
      cleanStart: session === 'forget',
      keepAliveMs: keepAlive,
      sessionExpiryMs: session === 'forget' ? 0 : sessionExpiry,
      connectTimeoutMs: connectTimeout,
      // A link always has a will. Published, an empty one keeps nothing at the broker, and DISCONNECT takes it back.
      will: { topic: topicsOf(config.topics.prefix, config.device.id).log, payload: Buffer.alloc(0), delayMs: 0 },
    },
    listener,
  );
}

/** Hands MQTT.js the first packet, CONNACK, and nothing after it. One that refuses is followed by another connection. */
export function connackOnly(): LinkListener {
  let before = Buffer.alloc(0);
  let isOver = false;
  return {
    inbound: (chunk) => {
      if (isOver) return [];
      before = Buffer.concat([before, chunk]);
      const { head, end } = extentOf(before);
      if (end > before.length) return [];
      const packet = before.subarray(0, end);
      before = Buffer.alloc(0);
      // Behind the flags stands the reason code (MQTT 5, 3.2.2.2; 3.1.1 has its return code there).
      isOver = packet[head + 1] === 0;
      return [packet];
    },
    drained: () => undefined,
    message: () => undefined,
    ended: () => undefined,
  };
}

/** Where the first packet's fixed header and the packet end (MQTT 5, 2.1.4); Infinity: its length has not come yet. */
function extentOf(bytes: Buffer): { readonly head: number; readonly end: number } {
  let length = 0;
  for (let at = 1; at <= 4; at += 1) {
    const byte = bytes[at];
    if (byte === undefined) return { head: at, end: Infinity };
    length += (byte & 0x7f) * 0x80 ** (at - 1);
    if ((byte & 0x80) === 0) return { head: at + 1, end: at + 1 + length };
  }
  // Malformed: MQTT.js says so.
  return { head: 0, end: bytes.length };
}

async function brokerKind(link: Link, heard: readonly InboundMessage[]): Promise<BrokerKind> {
  const unknown: BrokerKind = { name: 'unknown', version: undefined };
  const asked = await Promise.all(
    VERSION_FILTERS.map((filter) =>
      link.subscribe(filter, 0).then(
        () => true,
        () => false,
      ),
    ),
  );
  if (!asked.includes(true)) return unknown;
  const untilMs = performance.now() + VERSION_MS;
  for (;;) {
    const said = heard.find(({ topic }) => /^\$SYS\/broker(?:s\/[^/]+)?\/version$/.test(topic));
    if (said !== undefined) return brokerKindOf(said.topic, said.payload.toString('utf8', 0, 200));
    if (performance.now() >= untilMs) return unknown;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function guarantee({ config }: MqttLook, terms: LinkTerms, kind: BrokerKind): Finding {
  const { protocol, sessionExpiry } = config.broker;
  return guaranteeFinding(guaranteeOf(terms, { protocol, sessionExpiry, receipts: config.ledger.receipts }), kind);
}

/** Pure. */
export function termsFinding(terms: LinkTerms): Finding {
  const { receiveMaximum, maximumPacketSize, maximumQos, retainAvailable, sessionExpirySeconds } = terms;
  const size = maximumPacketSize === Infinity ? 'not bounded' : sizeText(maximumPacketSize);
  const kept = sessionExpirySeconds === undefined ? 'as asked' : durationText(sessionExpirySeconds * 1000);
  const found =
    `receive maximum ${receiveMaximum}, packet size ${size}, QoS up to ${maximumQos}, ` +
    `retained messages ${retainAvailable ? 'kept' : 'not kept'}, session kept ${kept}`;
  if (retainAvailable) return ok('terms', found);
  return warning('terms', `${found}: whoever subscribes later sees no status`, 'allow retained messages at the broker');
}
