/** What tests of the connection have in common: an MQTT device with one broker, and traffic that does nothing. */
import type { ConnectionOptions, Traffic } from '../../src/broker/connection.ts';
import { systemChance } from '../../src/platform/chance.ts';
import type { Protocol } from '../../src/ports-broker.ts';
import { keptLog } from '../serial-rig.ts';

export const QUIET_TRAFFIC: Traffic = {
  opening: () => ({ topic: 't', payload: Buffer.alloc(0), delayMs: 0 }),
  inbound: (chunk) => [chunk],
  drained: () => undefined,
  message: () => undefined,
  up: () => undefined,
  down: () => undefined,
  quiesce: () => Promise.resolve(),
  failed: () => undefined,
};

/** All but the clock, the broker and where the session is marked. */
export function quietOptions(protocol: Protocol): Omit<ConnectionOptions, 'clock' | 'opener' | 'store'> {
  return {
    traffic: QUIET_TRAFFIC,
    chance: systemChance,
    log: keptLog(),
    urls: ['mqtts://127.0.0.1'],
    returnAfterMs: 0,
    topicRoot: 'fp/v1/pump-42',
    target: {
      protocol,
      clientIdentifier: 'pump-42',
      keepAliveMs: 30_000,
      sessionExpiryMs: 3_600_000,
      connectTimeoutMs: 10_000,
    },
    held: () => undefined,
    newSession: () => 's',
  };
}
