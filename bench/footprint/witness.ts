/**
 * A client at the broker that sees what anybody would: when the agent says `online`, told at that very moment, and how many
 * samples have come.
 */
import { connect as connectTls } from 'node:tls';
import { MqttClient } from 'mqtt';
import type { Child } from '../../src/workbench/child.ts';

const DEADLINE_MS = 15_000;

export interface WitnessOptions {
  readonly port: number;
  /** PEM texts. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly clientId: string;
  /** `fp/v1/<device>` */
  readonly root: string;
}

export class Witness {
  readonly #client: MqttClient;
  readonly #root: string;
  #samples = 0;
  #onOnline: (() => void) | undefined;

  constructor(options: WitnessOptions) {
    const { port, tls, clientId, root } = options;
    this.#root = root;
    this.#client = new MqttClient(() => connectTls({ port, host: '127.0.0.1', ...tls }), {
      clientId,
      protocolVersion: 5,
      manualConnect: true,
      reconnectPeriod: 0,
    });
    this.#client.on('message', (topic, payload, packet) => {
      if (topic.includes('/up/telemetry/')) this.#samples += 1;
      // A retained one is from the life before.
      else if (!packet.retain && /"state":\s*"online"/.test(payload.toString())) this.#onOnline?.();
    });
  }

  async start(): Promise<void> {
    const connected = new Promise<void>((done, fail) => {
      this.#client.once('connect', () => done());
      this.#client.once('error', fail);
    });
    this.#client.connect();
    await connected;
    this.#client.on('error', () => undefined);
    await this.#client.subscribeAsync(`${this.#root}/up/status`, { qos: 1 });
    await this.#client.subscribeAsync(`${this.#root}/up/telemetry/#`, { qos: 0 });
  }

  get samples(): number {
    return this.#samples;
  }

  /** Resolves at the very moment: a look every few milliseconds would add to the figures. */
  online(child: Child): Promise<void> {
    return new Promise((done, fail) => {
      const late = setTimeout(() => fail(new Error(`never online; last: ${child.lastWords()}`)), DEADLINE_MS);
      this.#onOnline = () => {
        clearTimeout(late);
        done();
      };
      const ended = (): void => {
        clearTimeout(late);
        fail(new Error(`ended before it was online; last: ${child.lastWords()}`));
      };
      child.exited.then(ended, ended);
    });
  }

  async stop(): Promise<void> {
    await this.#client.endAsync(true);
  }
}
