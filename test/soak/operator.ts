/**
 * The operator of a soak: asks the device for something every second or so, also for what changes it, and counts the answers.
 * So often that the device's store of 1000 requests is full before the memory of an hour's soak is judged, and below its own
 * limit of 60 requests a minute.
 */
import { connect as connectTls } from 'node:tls';
import { MqttClient } from 'mqtt';
import type { ConsumerTls } from '../../src/workbench/consumer.ts';
import type { Undo } from '../../src/workbench/undo.ts';

const ASK_MS = 1200;

/** What is asked, in turn. The last five change something, or hold something for a while. */
const REQUESTS: readonly { readonly command: string; readonly args: object }[] = [
  { command: 'ping', args: {} },
  { command: 'metrics.get', args: {} },
  { command: 'sensor.read', args: { sensor: 'pump' } },
  { command: 'events.stat', args: {} },
  { command: 'log.level', args: { level: 'debug', for: '3s' } },
  { command: 'log.tail', args: { level: 'info', for: '10s' } },
  { command: 'telemetry.pause', args: { sensor: 'noise', for: '1s' } },
  { command: 'sensor.restart', args: { sensor: 'noise' } },
  { command: 'no.such', args: {} },
];

export class Operator {
  readonly #client: MqttClient;
  readonly #root: string;
  #asked = 0;
  #asking: NodeJS.Timeout | undefined;
  readonly #answers = new Map<string, number>();
  #logLines = 0;

  constructor(port: number, root: string, tls: ConsumerTls) {
    this.#root = root;
    this.#client = new MqttClient(() => connectTls({ port, host: '127.0.0.1', ...tls }), {
      clientId: 'operator',
      protocolVersion: 5,
      manualConnect: true,
      reconnectPeriod: 200,
      connectTimeout: 5000,
    });
    // A broker that is being restarted makes many of these.
    this.#client.on('error', () => undefined);
    this.#client.on('message', (topic, payload) => {
      if (topic.endsWith('/up/log')) this.#logLines += 1;
      else this.#answered(payload);
    });
  }

  async start(undo: Undo): Promise<void> {
    undo.add(() => this.#client.endAsync(true));
    const connected = new Promise<void>((done) => this.#client.once('connect', () => done()));
    this.#client.connect();
    await connected;
    await this.#client.subscribeAsync([`${this.#root}/up/response/#`, `${this.#root}/up/log`], { qos: 1 });
    this.#asking = setInterval(() => this.#ask(), ASK_MS);
    undo.add(() => this.stop());
  }

  stop(): void {
    clearInterval(this.#asking);
  }

  get asked(): number {
    return this.#asked;
  }

  /** Final answers by status, such as `succeeded`. */
  get answers(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#answers);
  }

  get logLines(): number {
    return this.#logLines;
  }

  #ask(): void {
    const request = REQUESTS[this.#asked % REQUESTS.length];
    // What is published without a connection would pile up and come at once.
    if (request === undefined || !this.#client.connected) return;
    this.#asked += 1;
    const topic = `${this.#root}/down/command/${request.command}/soak-${this.#asked}`;
    this.#client.publish(topic, JSON.stringify({ args: request.args }), { qos: 1 }, () => undefined);
  }

  #answered(payload: Buffer): void {
    const { status } = JSON.parse(payload.toString('utf8')) as { readonly status: string };
    if (status === 'accepted' || status === 'executing') return;
    this.#answers.set(status, (this.#answers.get(status) ?? 0) + 1);
  }
}
