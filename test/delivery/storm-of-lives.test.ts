/**
 * Random runs of a whole agent's delivery (its own connection, session marks, witnesses, receipts) over epochs that change, a
 * broker that forgets, streams that are refused, cuts and crashes. FIELDPOST_SEED and FIELDPOST_RUNS choose others.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { StateStore } from '../../src/ports.ts';
import { sale, temporaryDirectory } from '../ledger/rig.ts';
import { memoryState, seeded, turn } from './life.ts';
import { type Flavour, ModelBroker } from './model-broker.ts';
import { ModelOpener } from './model-opener.ts';
import { Consumer, type Text } from './receipt-rig.ts';
import { WholeLife } from './whole-life.ts';

const SEED = Number(process.env['FIELDPOST_SEED'] ?? 1);
const RUNS = Number(process.env['FIELDPOST_RUNS'] ?? 3);
const STEPS = 250;
const EPOCHS_MAX = 4;
const LEGACY = 'fp/v1/pump-42/up/event/legacy';

class Storm {
  readonly random: () => number;
  readonly opener: ModelOpener;
  readonly consumer: Consumer;
  readonly #seed: number;
  readonly #state: StateStore;
  patient = false;
  readonly #directory: string;
  /** Source numbers of what was accepted, by stream. */
  readonly accepted = { sale: new Set<string>(), legacy: new Set<string>() };
  life: WholeLife;
  #next = 1;
  #receipts = 0;

  private constructor(seed: number, directory: string, opener: ModelOpener, state: StateStore, life: WholeLife) {
    this.random = seeded(seed);
    this.#seed = seed;
    this.#directory = directory;
    this.#state = state;
    this.opener = opener;
    this.life = life;
    this.consumer = new Consumer(opener.broker);
  }

  static async begin(t: TestContext, flavour: Flavour, seed: number): Promise<Storm> {
    const directory = await temporaryDirectory(t);
    const opener = new ModelOpener(new ModelBroker(flavour));
    const state = memoryState();
    const life = await WholeLife.start(directory, { opener, state, receipts: true });
    const storm = new Storm(seed, directory, opener, state, life);
    t.after(() => storm.life.crash());
    return storm;
  }

  upTo(count: number): number {
    return Math.floor(this.random() * count);
  }

  sell(): void {
    const stream = this.random() < 0.2 ? 'legacy' : 'sale';
    for (let n = 0; n < 1 + this.random() * 6; n += 1) {
      const seq = this.#next;
      this.#next += 1;
      this.life.ledger.append({ ...sale(seq), stream }).then(
        (result) => result.kind === 'accepted' && this.accepted[stream].add(String(seq)),
        (error: unknown) => assert.fail(String(error)),
      );
    }
  }

  /** The consumer's receipt for the oldest epoch that is not wholly settled, or the newest. */
  tell(): void {
    const { settlement } = this.life.ledger;
    const { lives } = settlement;
    const behind = lives.find((life) => settlement.settledThrough(life) < life.last) ?? lives.at(-1);
    if (behind === undefined) return;
    // A consumer that is patient does not ask for what is still on its way to it.
    this.opener.say(this.consumer.say(behind.epoch, this.patient ? 0 : behind.last));
  }

  /** The broker loses its session; the consumer, which has had all of it, says so while the replay is in flight. */
  async tellLate(): Promise<void> {
    this.consumer.read();
    this.opener.forget();
    await this.life.pass(2000 + this.upTo(5000));
    if (this.random() < 0.5) this.want();
    await this.life.idle();
    this.tell();
    await this.until(() => this.#inFlight === 0, 'the end of what was in flight');
  }

  /** A consumer that has lost some of what it had asks for it again, of any epoch. */
  want(): void {
    const { lives } = this.life.ledger.settlement;
    const life = lives[this.upTo(lives.length)];
    if (life === undefined || life.last === 0) return;
    const from = 1 + this.upTo(life.last);
    this.#receipts += 1;
    const want = [[from, from + this.upTo(8)]];
    this.opener.say(Buffer.from(JSON.stringify({ epoch: life.epoch, through: 0, want, n: this.#receipts })));
  }

  async restart(): Promise<void> {
    this.nothingSuspected();
    await this.life.crash();
    this.life = await WholeLife.start(this.#directory, { opener: this.opener, state: this.#state, receipts: true });
  }

  /** Begun at any moment, or by a receipt that waits in the session and comes with CONNACK, when nothing else is to be sent. */
  async newEpoch(): Promise<void> {
    const { ledger } = this.life;
    const live = ledger.settlement.lives.at(-1);
    if (live === undefined || ledger.settlement.lives.length >= EPOCHS_MAX) return;
    if (this.random() < 0.5) return ledger.startEpoch('a restored copy');
    this.opener.broker.forbidden.clear();
    await this.until(() => ledger.figures.unsent === 0 && this.#inFlight === 0, 'nothing that waits');
    this.opener.cut();
    const { epoch, last } = live;
    this.opener.say(Buffer.from(JSON.stringify({ epoch, through: last + 1000, hash: 'A'.repeat(43) })));
  }

  get #inFlight(): number {
    return this.life.link.sender.figures.inFlight;
  }

  /** There is no other client, and the disk takes every mark. */
  nothingSuspected(): void {
    const suspected = this.life.lines.filter((line) =>
      /another client|not the one that|waits to be released/.test(line),
    );
    assert.deepEqual(suspected, [], `seed ${this.#seed}`);
  }

  refuse(): void {
    const { forbidden } = this.opener.broker;
    if (!forbidden.delete(LEGACY)) forbidden.add(LEGACY);
  }

  /** Answers, reads and says until it holds. */
  async until(done: () => boolean, what: string): Promise<void> {
    let steps = 0;
    const state = (): string =>
      `seed ${this.#seed}: ${what}: ${JSON.stringify({ ...this.life.ledger.figures, ...this.life.link.sender.figures })}`;
    await this.life.until(done, state, () => {
      this.opener.answer(100);
      this.consumer.read();
      steps += 1;
      if (steps % 20 === 0) this.tell();
    });
  }

  missing(stream: 'sale' | 'legacy'): string[] {
    return [...this.accepted[stream]].filter((seq) => !this.consumer.sales.has(seq));
  }
}

async function step(storm: Storm, forgets: boolean): Promise<void> {
  const { opener, consumer, life } = storm;
  const dice = storm.random();
  if (dice < 0.22) storm.sell();
  else if (dice < 0.52) opener.answer(1 + storm.upTo(15));
  else if (dice < 0.6) consumer.read(storm.upTo(40));
  else if (dice < 0.66) storm.tell();
  else if (dice < 0.71 && forgets) storm.want();
  else if (dice < 0.75) opener.cut();
  else if (dice < 0.78 && forgets) {
    if (storm.random() < 0.5) await storm.tellLate();
    else {
      opener.forget();
      consumer.forget();
    }
  } else if (dice < 0.8) await storm.restart();
  else if (dice < 0.82) await storm.newEpoch();
  else if (dice < 0.85) storm.refuse();
  else await life.pass(storm.upTo(5000));
  if (storm.random() < 0.3) await turn();
  if (storm.random() < 0.3) await storm.life.idle();
}

async function run(t: TestContext, flavour: Flavour, seed: number, forgets: boolean): Promise<Storm> {
  const storm = await Storm.begin(t, flavour, seed);
  storm.patient = !forgets;
  for (let count = 0; count < STEPS; count += 1) {
    await step(storm, forgets);
    storm.nothingSuspected();
  }
  const told = `seed ${seed}`;
  // Whatever is refused for good holds up nothing else.
  storm.opener.broker.forbidden.add(LEGACY);
  await storm.until(() => storm.missing('sale').length === 0, 'the sales, a stream being refused');
  storm.opener.broker.forbidden.clear();
  await storm.until(() => {
    const { unsent, unsettled } = storm.life.ledger.figures;
    return unsent === 0 && unsettled === 0 && storm.life.link.sender.figures.inFlight === 0;
  }, 'everything to settle');
  assert.deepEqual([storm.missing('sale'), storm.missing('legacy')], [[], []], `${told}: lost`);
  assert.equal(storm.consumer.forks, 0, `${told}: the same identity with other bytes`);
  assert.equal(storm.opener.broker.open, 0, `${told}: exchanges that nobody finishes`);
  storm.nothingSuspected();
  await storm.life.close();
  return storm;
}

for (const flavour of ['mosquitto', 'emqx-5', 'emqx-6.2'] as const) {
  test(`over epochs, forgetful brokers, wants and refused streams nothing is lost, stuck or suspected, answers as of ${flavour}`, async (t) => {
    for (let seed = SEED; seed < SEED + RUNS; seed += 1) await run(t, flavour, seed, true);
  });
}

test('while the broker keeps its state, epochs and refused streams cost no repeat', async (t) => {
  for (let seed = SEED; seed < SEED + RUNS; seed += 1) {
    const { opener } = await run(t, 'mosquitto', seed, false);
    const came = opener.broker.delivered.map(({ payload }) => {
      const { epoch, seq } = JSON.parse(payload) as Text;
      return `${epoch} ${seq}`;
    });
    assert.deepEqual(
      came.filter((identity, at) => came.indexOf(identity) !== at),
      [],
      `seed ${seed}: doubled`,
    );
  }
});
