/** An operator's own MQTT client on one broker: hears everything that devices say there, and gives commands. */
import { connectAsync, type MqttClient } from 'mqtt';
import { until } from '../../src/workbench/wait.ts';

export type Document = Readonly<Record<string, unknown>>;

export interface Heard {
  readonly device: string;
  /** Below `up/`. */
  readonly topic: string;
  readonly atMs: number;
  readonly payload: Document;
}

export class Operator {
  readonly #client: MqttClient;
  readonly heard: Heard[] = [];

  private constructor(client: MqttClient) {
    this.#client = client;
    client.on('message', (topic, bytes) => {
      const [, device = '', below = ''] = /^fp\/v1\/([^/]+)\/up\/(.*)$/.exec(topic) ?? [];
      if (bytes.length === 0) return;
      const payload = JSON.parse(bytes.toString('utf8')) as Document;
      this.heard.push({ device, topic: below, atMs: performance.now(), payload });
    });
  }

  static async connect(port: number, tls: { ca: Buffer; cert: Buffer; key: Buffer }, name: string): Promise<Operator> {
    const client = await connectAsync(`mqtts://127.0.0.1:${port}`, { ...tls, protocolVersion: 5, clientId: name });
    const operator = new Operator(client);
    await client.subscribeAsync('fp/v1/+/up/#', { qos: 1 });
    return operator;
  }

  async command(device: string, command: string, id: string, args: Document): Promise<void> {
    const payload = JSON.stringify({ v: 1, args, by: 'operator' });
    await this.#client.publishAsync(`fp/v1/${device}/down/command/${command}/${id}`, payload, { qos: 1 });
  }

  /** As a consumer leaves it there: retained. */
  async receipt(device: string, receipt: Document): Promise<void> {
    await this.#client.publishAsync(`fp/v1/${device}/down/receipt`, JSON.stringify(receipt), { qos: 1, retain: true });
  }

  /** The newest of these that fits. */
  find(device: string, topic: string, fits: (payload: Document) => boolean, sinceMs = 0): Heard | undefined {
    return this.heard.findLast(
      (one) => one.device === device && one.topic === topic && one.atMs >= sinceMs && fits(one.payload),
    );
  }

  answer(device: string, command: string, id: string, fits: (payload: Document) => boolean): Heard | undefined {
    return this.find(device, `response/${command}/${id}`, fits);
  }

  async waitFor(what: string, look: () => Heard | undefined, deadlineMs: number): Promise<Heard> {
    const last = (): string => JSON.stringify(this.heard.slice(-3).map(({ topic, payload }) => [topic, payload]));
    return until(look, () => `${what}; last heard ${last().slice(0, 1500)}`, deadlineMs);
  }

  async close(): Promise<void> {
    await this.#client.endAsync(true);
  }
}

export function isFinal({ status }: Document): boolean {
  return status !== 'executing' && status !== 'accepted';
}
