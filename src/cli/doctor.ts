/**
 * `fieldpost doctor`: everything that would be looked at before somebody drives out, in the order of the data path. It goes
 * on after a failure, every step has an end, and it disturbs nothing: no answer to a sensor, no lock of the ledger, no
 * connection under the device's own client identifier.
 */
import { parseArgs } from 'node:util';
import type { DeviceConfig } from '../config/schema.ts';
import { reasonOf } from '../fault.ts';
import type { LinkCredentials } from '../platform/mqtt-link.ts';
import { loadConfig } from './config-file.ts';
import { findAgent, readStatus } from './doctor-agent.ts';
import { lookAtClock } from './doctor-clock-look.ts';
import { configFindings, invalidConfigFindings } from './doctor-config.ts';
import { diskFindings } from './doctor-disk.ts';
import { type Finding, orBroken, type PartFindings, skipped } from './doctor-finding.ts';
import { mqttFindings } from './doctor-mqtt.ts';
import { networkFindings } from './doctor-network.ts';
import { sensorParts } from './doctor-sensors.ts';
import { serviceFindings } from './doctor-service.ts';
import { documentOf, isSound, partText, summaryText } from './doctor-text.ts';
import { asConnected, credentialsOf } from './credentials.ts';
import { EXIT } from './exit.ts';
import { numberOption } from './option-values.ts';
import { print } from './print.ts';

const SECONDS = { low: 0.1, high: 600 };

export async function doctorCommand(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      config: { type: 'string', default: 'device.json' },
      seconds: { type: 'string', default: '3' },
      'no-mqtt': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const seconds = numberOption('--seconds', values.seconds, SECONDS);
  const parts: PartFindings[] = [];
  const tell = async (part: PartFindings): Promise<void> => {
    parts.push(part);
    if (!values.json) await print(partText(part, process.stdout.isTTY));
  };
  const loaded = loadConfig(values.config);
  if (loaded.kind === 'invalid') {
    await tell({ part: 'configuration', findings: invalidConfigFindings(values.config, loaded) });
    await tell({ part: 'the rest', findings: [skipped('all', 'the configuration is invalid')] });
  } else {
    const looked = partsOf({
      file: values.config,
      config: asConnected(loaded.config),
      seconds,
      isMqtt: !values['no-mqtt'],
    });
    for await (const part of looked) await tell(part);
  }
  await print(values.json ? `${JSON.stringify(documentOf(parts))}\n` : summaryText(parts));
  if (loaded.kind === 'invalid') return EXIT.config;
  return isSound(parts) ? EXIT.done : EXIT.failed;
}

interface Look {
  readonly file: string;
  readonly config: DeviceConfig;
  readonly seconds: number;
  readonly isMqtt: boolean;
}

/** Each part as soon as it is known. */
async function* partsOf({ file, config, seconds, isMqtt }: Look): AsyncGenerator<PartFindings, void> {
  const nowMs = Date.now();
  const agent = findAgent(config.ledger.dir);
  const status = readStatus(config);
  yield { part: 'configuration', findings: configFindings(file, config, nowMs) };
  yield { part: 'clock', findings: await lookAtClock(config, nowMs) };
  yield* await sensorParts(config.sensors, { agent, seconds });
  yield { part: 'disk', findings: await orBroken('directory', () => diskFindings(config.ledger, status)) };
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
