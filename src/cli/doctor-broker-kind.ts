/**
 * Which broker this is, by what it says of itself, and whether it is one that is known to break what its CONNACK promises.
 * Pure. The evidence is in test/scripted-broker/profiles.ts; no other broker is known to.
 */
import type { Guarantee } from '../delivery/guarantee.ts';
import { failed, type Finding, ok, skipped, warning } from './doctor-finding.ts';

/** Topics in which Mosquitto and EMQX say their version. */
export const VERSION_FILTERS = ['$SYS/broker/version', '$SYS/brokers/+/version'] as const;

export interface BrokerKind {
  readonly name: 'Mosquitto' | 'EMQX' | 'NanoMQ' | 'unknown';
  /** What it said of itself; undefined: nothing. */
  readonly version: string | undefined;
}

/** EMQX says the bare version (`5.3.2`), the others name themselves. */
export function brokerKindOf(topic: string, text: string): BrokerKind {
  const version = /\d+\.\d+(?:\.\d+)?/.exec(text)?.[0];
  if (/nanomq/i.test(text)) return { name: 'NanoMQ', version };
  if (/mosquitto/i.test(text)) return { name: 'Mosquitto', version };
  return { name: topic.startsWith('$SYS/brokers/') && version !== undefined ? 'EMQX' : 'unknown', version };
}

export function kindFinding({ name, version }: BrokerKind): Finding {
  if (name !== 'unknown') return ok('version', `${name} ${version ?? ''}`.trimEnd());
  return skipped('version', 'the broker does not say which it is ($SYS is not allowed, or not there)');
}

const DROPS_RESENDS = 'EMQX 6.2.0 to 6.2.3 drop a resend that they have not seen (emqx #18441)';
const REPEATS_RESENDS = 'NanoMQ hands a resend on a second time (nanomq #2412)';

export function guaranteeFinding({ word, why }: Guarantee, kind: BrokerKind): Finding {
  const name = 'guarantee';
  const found = `${word}: ${why}`;
  const isSafe = word === 'exactly-once-with-receipts';
  if (word === 'held') return failed(name, `${found}; no events leave`, 'use a broker with QoS 2, or allow it there');
  if (dropsResends(kind)) {
    if (isSafe) return warning(name, `${found}; ${DROPS_RESENDS}, so those come late`, 'update it to 6.2.4');
    return failed(name, `${found}; but ${DROPS_RESENDS}: events can be lost`, 'update it, or set ledger.receipts');
  }
  if (kind.name === 'NanoMQ') {
    return warning(name, `repeats: ${REPEATS_RESENDS}, with the same identity`, 'let the consumer remove repeats');
  }
  if (word === 'repeats') {
    return warning(name, found, 'let the broker keep sessions as long as broker.sessionExpiry; remove repeats');
  }
  if (word === 'refusals-unseen') return warning(name, found, 'set broker.protocol to 5, or ledger.receipts to true');
  const doubt = kind.name === 'unknown' ? `; unless it is one of these: ${DROPS_RESENDS}; ${REPEATS_RESENDS}` : '';
  return ok(name, `${found}${doubt}`);
}

function dropsResends({ name, version = '' }: BrokerKind): boolean {
  return name === 'EMQX' && /^6\.2(?:\.[0-3])?$/.test(version);
}
