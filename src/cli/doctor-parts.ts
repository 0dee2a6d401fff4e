/**
 * What the doctor looks at, part by part in the order of the data path: for `fieldpost doctor`, and for `doctor.run` from
 * inside the agent, where lines, ledger and client identifier are the agent's own.
 */
import type { DeviceConfig } from '../config/schema.ts';
import { reasonOf } from '../fault.ts';
import type { LinkCredentials } from '../platform/mqtt-link.ts';
import { credentialsOf } from './credentials.ts';
import { readStatus, type RunningAgent } from './doctor-agent.ts';
import { lookAtClock } from './doctor-clock-look.ts';
import { configFindings } from './doctor-config.ts';
import { diskFindings } from './doctor-disk.ts';
import { type Finding, orBroken, type PartFindings, skipped } from './doctor-finding.ts';
import { mqttFindings } from './doctor-mqtt.ts';
import { networkFindings } from './doctor-network.ts';
import { sensorParts } from './doctor-sensors.ts';
import { serviceFindings } from './doctor-service.ts';

export interface Look {
  readonly file: string;
  readonly config: DeviceConfig;
  /** That runs on this ledger. */
  readonly agent: RunningAgent | undefined;
  readonly seconds: number;
  readonly isMqtt: boolean;
  /** Asked from inside the running agent: what would hold it up is left out. */
  readonly isOwn: boolean;
}

/** Each part as soon as it is known. */
export async function* partsOf({
  file,
  config,
  agent,
  seconds,
  isMqtt,
  isOwn,
}: Look): AsyncGenerator<PartFindings, void> {
  const nowMs = Date.now();
  const status = readStatus(config);
  yield { part: 'configuration', findings: configFindings(file, config, nowMs) };
  yield { part: 'clock', findings: await lookAtClock(config, nowMs) };
  yield* await sensorParts(config.sensors, { agent, seconds, isOwn });
  yield { part: 'disk', findings: await orBroken('directory', () => diskFindings(config.ledger, status, isOwn)) };
  const credentials = credentialsOrWhy(config);
  for (const url of config.broker.urls) {
    const findings = await orBroken('connection', () => brokerFindings({ url, config, credentials, nowMs, isMqtt }));
    yield { part: `broker ${url}`, findings };
  }
  yield { part: 'service', findings: await orBroken('agent', () => serviceFindings(agent, status)) };
}

interface BrokerLook {
  readonly url: string;
  readonly config: DeviceConfig;
  /** A text: why there are none. */
  readonly credentials: LinkCredentials | string;
  readonly nowMs: number;
  readonly isMqtt: boolean;
}

async function brokerFindings(look: BrokerLook): Promise<readonly Finding[]> {
  const { url, config, credentials, isMqtt } = look;
  const timeoutMs = config.broker.connectTimeout;
  const { findings, isUp } = await networkFindings({ ...look, device: config.device.id, timeoutMs });
  if (!isMqtt) return [...findings, skipped('MQTT', '--no-mqtt')];
  if (!isUp || typeof credentials === 'string')
    return [...findings, skipped('MQTT', 'the connection does not come up')];
  return [...findings, ...(await orBroken('MQTT', () => mqttFindings({ url, config, credentials })))];
}

/** A text: why there are none. What is wrong with the files is told in the first part. */
function credentialsOrWhy(config: DeviceConfig): LinkCredentials | string {
  try {
    return credentialsOf(config);
  } catch (error) {
    return reasonOf(error);
  }
}
