/**
 * `fieldpost collect`: the reference consumer on a broker. It owns the receipts of the devices it reads: run one.
 */
import { connect as connectTcp } from 'node:net';
import { type Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { isIP } from 'node:net';
import { parseArgs } from 'node:util';
import { type IClientOptions, MqttClient } from 'mqtt';
import { topicsOf } from '../broker/topics.ts';
import { AckGate } from '../collect/ack-gate.ts';
import { Collector } from '../collect/collector.ts';
import { Store } from '../collect/store.ts';
import { Fault, reasonOf } from '../fault.ts';
import { makeDirectory } from '../platform/directories.ts';
import { lockDirectory } from '../platform/directory-lock.ts';
import { loadIdentity } from '../platform/identity.ts';
import { createLog } from '../platform/log.ts';
import { stateStore } from '../platform/state-store.ts';
import { writeStderr } from '../platform/stderr.ts';
import { Tap } from '../platform/tap.ts';
import { EXIT } from './exit.ts';
import { readPinnedKeys } from './ledger-export.ts';

const OPTIONS = {
  url: { type: 'string' },
  ca: { type: 'string' },
  cert: { type: 'string' },
  'private-key': { type: 'string' },
  out: { type: 'string' },
  device: { type: 'string', default: '+' },
  prefix: { type: 'string', default: 'fp/v1' },
  'client-id': { type: 'string', default: 'collector' },
  protocol: { type: 'string', default: '5' },
  key: { type: 'string', multiple: true },
  verify: { type: 'boolean', default: false },
  'no-receipts': { type: 'boolean', default: false },
  'until-complete': { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

const URL_PATTERN = /^mqtts?:\/\/(?:[A-Za-z0-9][A-Za-z0-9._-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?$/;
const SAY_MS = 250;
const SESSION_EXPIRY_S = 30 * 86_400;
const GOODBYE_MS = 2000;

interface Arguments {
  readonly url: URL;
  readonly out: string;
  readonly device: string;
  readonly prefix: string;
  readonly clientId: string;
  readonly protocol: 4 | 5;
  readonly verify: boolean;
  /** Ends when nothing is missing and no event came for so long on a connection, milliseconds. */
  readonly untilMs: number | undefined;
}

export async function collectCommand(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const given = readArguments(values);
  const { ca, cert, 'private-key': privateKey } = values;
  const files =
    ca === undefined
      ? undefined
      : { ca, ...(cert === undefined ? {} : { cert }), ...(privateKey === undefined ? {} : { key: privateKey }) };
  const identity = files === undefined ? undefined : loadIdentity(files);
  if (given.url.protocol === 'mqtts:' && identity === undefined) throw new Fault('usage', 'mqtts:// needs --ca FILE');
  const tell = (sentence: string): void => writeStderr(`${sentence}\n`);
  const store = await openStore(given.out);
  let gate: AckGate | undefined;
  let failed: (error: unknown) => void = () => undefined;
  const broken = new Promise<never>((_, reject) => {
    failed = (error) => reject(new Fault('ledger.disk', `output ${given.out}: ${reasonOf(error)}`, { cause: error }));
  });
  broken.catch(() => undefined);
  const client = new MqttClient(() => {
    gate = new AckGate(openStream(given.url, identity));
    // MQTT.js keeps most errors of TLS to itself.
    gate.on('error', (error) => tell(`broker: ${reasonOf(error)}`));
    return gate;
  }, clientOptions(given));
  const log = createLog({ level: 'warn', journal: false, write: tell });
  const collector = new Collector({
    store,
    state: stateStore(given.out, log),
    topicsFor: (device) => topicsOf(given.prefix, device),
    pinned: readPinnedKeys(values.key),
    verify: given.verify,
    receipts: !values['no-receipts'],
    hold: () => gate?.hold(),
    release: () => gate?.release(),
    connected: () => client.connected,
    publish: async (topic, payload) => {
      await client.publishAsync(topic, payload, { qos: 1, retain: true });
    },
    nowMs: () => performance.now(),
    day: () => new Date().toISOString().slice(0, 10),
    tell,
    fail: (error) => failed(error),
  });
  await collector.start();
  const refused = await Promise.race([runUntilEnd(client, collector, given, tell, () => gate?.stopReading()), broken]);
  collector.finish();
  store.close();
  return report(collector, given, values.json, refused);
}

/** Resolves when a signal came, or all is complete; with the reason when the broker refuses us for good. */
async function runUntilEnd(
  client: MqttClient,
  collector: Collector,
  given: Arguments,
  tell: (sentence: string) => void,
  stopReading: () => void,
): Promise<string | undefined> {
  const { prefix, device, untilMs } = given;
  const meanings = ['up/event/#', 'up/status'].map((meaning) => `${prefix}/${device}/${meaning}`);
  let heardMs = performance.now();
  let connected = false;
  const refusal = new Promise<string>((resolve) => {
    client.on('connect', () => {
      connected = true;
      heardMs = performance.now();
      client.subscribe(meanings, { qos: 1 }, (error, granted) => {
        const no = granted?.find(({ qos }) => qos > 2);
        if (no !== undefined) resolve(`not allowed to read ${no.topic}`);
        else if (error) tell(`not subscribed: ${reasonOf(error)}`);
      });
      // Without it, signatures are checked by the keys that events name.
      const info = `${prefix}/${device}/up/info`;
      if (given.verify)
        client.subscribe(info, { qos: 1 }, (error) => {
          if (error) tell(`not subscribed: ${info}`);
        });
    });
    client.on('error', (error) => tell(`broker: ${reasonOf(error)}`));
    client.on('close', () => {
      if (!connected && untilMs !== undefined) resolve('no connection came up');
    });
  });
  client.on('message', (topic, payload, { retain }) => {
    // Not a status: it comes again and again, and would put the end off for ever.
    if (topic.includes('/up/event/')) heardMs = performance.now();
    const levels = topic.slice(prefix.length + 1).split('/');
    collector.take(levels[0] ?? '', levels.slice(1).join('/'), payload, retain);
  });
  client.connect();
  const beat = setInterval(() => void collector.say().catch((error: unknown) => tell(reasonOf(error))), SAY_MS);
  const bar = setInterval(() => showProgress(collector), 1000);
  const ended = new Promise<undefined>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(undefined));
    if (untilMs === undefined) return;
    const look = setInterval(() => {
      const quiet = client.connected && performance.now() - heardMs >= untilMs;
      if (!quiet || collector.devices.length === 0 || !collector.devices.every(({ book }) => book.done)) return;
      clearInterval(look);
      resolve(undefined);
    }, SAY_MS);
  });
  const refused = await Promise.race([refusal, ended]);
  clearInterval(beat);
  clearInterval(bar);
  await collector.flush();
  // A client that is not connected may wait for ever to say what is left, and for its goodbye.
  await within(GOODBYE_MS, collector.sayLast());
  stopReading();
  // What MQTT.js has of the last chunk it hands over within this turn; all of it is written down before the goodbye.
  await new Promise<void>((resolve) => setImmediate(resolve));
  await collector.flush();
  if (client.connected) await within(GOODBYE_MS, client.endAsync(false));
  client.end(true);
  return refused;
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const over = new Promise((resolve) => setTimeout(resolve, ms).unref());
  await Promise.race([work.catch(() => undefined), over]);
}

function showProgress(collector: Collector): void {
  if (!process.stderr.isTTY) return;
  const parts = collector.devices.flatMap(({ device, book }) => {
    const epoch = book.epochs.at(-1);
    if (epoch === undefined) return [];
    const through = book.through(epoch);
    const missing = book.missing(epoch).reduce((sum, [from, to]) => sum + to - from + 1, 0);
    const done = Math.round((20 * through) / Math.max(1, through + missing));
    return [`${device} ${epoch} [${'#'.repeat(done)}${'-'.repeat(20 - done)}] ${through} of ${through + missing}`];
  });
  process.stderr.write(`\r\u001b[K${parts.slice(0, 3).join('  ')}`);
}

async function report(
  collector: Collector,
  given: Arguments,
  json: boolean,
  refused: string | undefined,
): Promise<number> {
  const { figures, devices } = collector;
  const epochs = devices.flatMap(({ device, book }) =>
    book.epochs.map((epoch) => ({
      device,
      epoch,
      through: book.through(epoch),
      missing: book.missing(epoch),
      lost: book.lost(epoch),
    })),
  );
  const complete = devices.every(({ book }) => book.complete);
  const text = [
    ...epochs.map(({ device, epoch, through, missing, lost }) => {
      const known = `${device} ${epoch}: through ${through}, ${missing.length} ranges missing`;
      return lost.length === 0
        ? known
        : `${known}, lost for ever ${lost.map((range) => range.join(' to ')).join(', ')}`;
    }),
    `${figures.stored} events stored, ${figures.repeats} repeats removed, ${figures.forks} forks, ${figures.unreadable} unreadable, ${figures.problems} bad`,
    ...(given.verify ? [`${figures.unsigned} unsigned, ${figures.unknown} by keys that are not known here`] : []),
  ];
  if (json) process.stdout.write(`${JSON.stringify({ ...figures, out: given.out, complete, epochs })}\n`);
  else process.stdout.write(text.map((line) => `${line}\n`).join(''));
  if (refused !== undefined) {
    writeStderr(`broker refuses: ${refused}\n`);
    return EXIT.brokerUnavailable;
  }
  const sound = figures.forks + figures.unreadable + figures.problems + figures.lost === 0;
  return sound && (given.untilMs === undefined || complete) ? EXIT.done : EXIT.failed;
}

/** A second collector on one folder would write each event twice, and say the receipts of the first. */
async function openStore(out: string): Promise<Store> {
  try {
    makeDirectory(out);
    await lockDirectory(out, 'output');
    const store = new Store(out);
    store.open();
    return store;
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault('ledger.disk', `output ${out}: ${reasonOf(error)}`, { cause: error });
  }
}

function openStream(url: URL, identity: ReturnType<typeof loadIdentity> | undefined): Duplex {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const secure = url.protocol === 'mqtts:';
  const port = Number(url.port || (secure ? 8883 : 1883));
  const inbound = (chunk: Buffer): readonly Buffer[] => [chunk];
  if (!secure) return new Tap(connectTcp({ host, port }), { inbound, plain: true });
  const { ca, cert, key } = identity ?? {};
  const tls = { host, port, rejectUnauthorized: true, minVersion: 'TLSv1.2' as const };
  const name = isIP(host) === 0 ? { servername: host } : {};
  const own = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
  return new Tap(connectTls({ ...tls, ...name, ...own }), { inbound, plain: false });
}

function clientOptions({ clientId, protocol }: Arguments): IClientOptions {
  return {
    manualConnect: true,
    clientId,
    protocolId: 'MQTT',
    protocolVersion: protocol,
    clean: false,
    keepalive: 30,
    reconnectPeriod: 1000,
    connectTimeout: 10_000,
    resubscribe: false,
    reconnectOnConnackError: true,
    log: () => undefined,
    ...(protocol === 5 ? { properties: { sessionExpiryInterval: SESSION_EXPIRY_S } } : {}),
  };
}

function readArguments(values: {
  readonly url?: string;
  readonly out?: string;
  readonly device: string;
  readonly prefix: string;
  readonly 'client-id': string;
  readonly protocol: string;
  readonly verify: boolean;
  readonly key?: readonly string[];
  readonly 'until-complete'?: string;
}): Arguments {
  const { url, out, device, prefix, 'client-id': clientId, protocol, 'until-complete': until } = values;
  if (url === undefined || !URL_PATTERN.test(url)) {
    throw new Fault('usage', `--url: must be mqtts://host:port or mqtt://host:port, got ${JSON.stringify(url ?? '')}`);
  }
  if (out === undefined) throw new Fault('usage', 'needs --out DIR');
  if (device !== '+' && !/^[A-Za-z0-9._-]{1,64}$/.test(device)) {
    throw new Fault('usage', `--device: must be 1 to 64 of A-Z a-z 0-9 . _ -, got ${JSON.stringify(device)}`);
  }
  if (protocol !== '5' && protocol !== '4') throw new Fault('usage', `--protocol: must be 5 or 4, got "${protocol}"`);
  const seconds = until === undefined ? undefined : Number(until);
  if (seconds !== undefined && !(seconds >= 1 && seconds <= 86_400)) {
    throw new Fault('usage', `--until-complete: must be 1 to 86400 seconds of silence, got "${until}"`);
  }
  const verify = values.verify || values.key !== undefined;
  const untilMs = seconds === undefined ? undefined : seconds * 1000;
  return { url: new URL(url), out, device, prefix, clientId, protocol: protocol === '5' ? 5 : 4, verify, untilMs };
}
