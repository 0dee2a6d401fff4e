/** A consumer on the model broker, and a life whose events are handed over: what the tests of receipts begin with. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { eventHash } from '../../src/ledger/event.ts';
import { sale, temporaryDirectory } from '../ledger/rig.ts';
import { Life, type LifeOptions, turn } from './life.ts';
import { ModelBroker } from './model-broker.ts';

const DEADLINE_MS = 60_000;

export interface Text {
  readonly epoch: string;
  readonly seq: number;
  readonly type: string;
  readonly data: Readonly<Record<string, { readonly value: string } | undefined>>;
  readonly source?: { readonly seq: string };
}

/** A consumer that reads the model's onward queue, removes repeats, and says in its receipt what it has and what it lacks. */
export class Consumer {
  readonly #broker: ModelBroker;
  readonly events = new Map<string, string>();
  readonly sales = new Set<string>();
  #read = 0;
  forks = 0;
  receipt: Buffer | undefined;

  constructor(broker: ModelBroker) {
    this.#broker = broker;
  }

  read(count = Infinity): void {
    for (const { payload } of this.#broker.delivered.slice(this.#read, this.#read + count)) {
      this.#read += 1;
      const text = JSON.parse(payload) as Text;
      const key = `${text.epoch} ${text.seq}`;
      const known = this.events.get(key);
      if (known !== undefined && known !== payload) this.forks += 1;
      this.events.set(key, payload);
      if (text.source !== undefined) this.sales.add(text.source.seq);
    }
  }

  /** The broker loses what it had not passed on. */
  forget(): void {
    this.#broker.delivered.length = Math.min(this.#broker.delivered.length, this.#read);
  }

  /** `last`: what the status says of the ledger's newest sequence. */
  say(epoch: string, last: number): Buffer {
    let through = 0;
    while (this.events.has(`${epoch} ${through + 1}`)) through += 1;
    const want: [number, number][] = [];
    for (let seq = through + 1; seq <= last && want.length < 50; seq += 1) {
      if (!this.events.has(`${epoch} ${seq}`)) want.push([seq, seq]);
    }
    const payload = this.events.get(`${epoch} ${through}`);
    const hash = payload === undefined ? undefined : eventHash(Buffer.from(payload));
    this.receipt = Buffer.from(JSON.stringify({ epoch, through, hash, want }));
    return this.receipt;
  }
}

export async function until(
  done: () => boolean | Promise<boolean>,
  what: string,
  step: () => void | Promise<void>,
): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await done())) {
    assert.ok(performance.now() < deadline, `waited in vain for ${what}`);
    await step();
    await turn();
  }
}

export async function started(
  t: TestContext,
  events: number,
  options: LifeOptions = { receipts: true },
): Promise<{
  readonly life: Life;
  readonly broker: ModelBroker;
  readonly consumer: Consumer;
  readonly directory: string;
}> {
  const directory = await temporaryDirectory(t);
  const broker = new ModelBroker('mosquitto');
  const life = await Life.start(directory, { t, ...options });
  await life.connect(broker);
  for (let at = 0; at < events; at += 100) {
    const part = Array.from({ length: Math.min(100, events - at) }, (_, n) => life.ledger.append(sale(at + n + 1)));
    for (const result of await Promise.all(part)) assert.equal(result.kind, 'accepted');
  }
  await until(
    () => life.ledger.figures.unsent === 0,
    'the events to be handed over',
    () => void life.up?.answer(1000),
  );
  const consumer = new Consumer(broker);
  return { life, broker, consumer, directory };
}
