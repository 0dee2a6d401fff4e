/** How long the sender waits for a broker: each exchange has its own time, and the disk's is not the broker's. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../../src/platform/clock.ts';
import type { Clock } from '../../src/ports.ts';
import { appendSales } from '../ledger/rig.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';
import { HandClock } from '../sensor-rig.ts';
import { Life } from './life.ts';
import { ModelBroker, type ModelLink } from './model-broker.ts';

const DEADLINE_MS = 10_000;
const ANSWER_MS = 30_000;

interface Scene {
  readonly life: Life;
  readonly broker: ModelBroker;
  readonly up: ModelLink;
  /** Turns only what waits for the broker. */
  readonly hand: HandClock;
  /** The next commits wait; its return value lets them go. */
  readonly holdDisk: () => () => void;
}

/** `sales` events are on disk, and the link is up. */
async function setScene(t: TestContext, sales: number): Promise<Scene> {
  const hand = new HandClock();
  let held: (() => void)[] | undefined;
  const clock: Clock = {
    ...systemClock,
    after: (ms, run) => (ms === ANSWER_MS ? hand.after(ms, run) : systemClock.after(ms, run)),
    soon: (run) => (held === undefined ? systemClock.soon(run) : void held.push(run)),
  };
  const life = await Life.start(await temporaryDirectory(t), { t, clock });
  await appendSales(life.ledger, 1, sales);
  const broker = new ModelBroker('mosquitto');
  await life.connect(broker);
  const { up } = life;
  assert.ok(up !== undefined);
  await inFlight(life, life.ledger.figures.unsent);
  const holdDisk = (): (() => void) => {
    const waiting: (() => void)[] = [];
    held = waiting;
    return () => {
      held = undefined;
      for (const run of waiting) run();
    };
  };
  return { life, broker, up, hand, holdDisk };
}

function inFlight(life: Life, count: number): Promise<unknown> {
  return until(
    () => life.sender.figures.inFlight === count,
    () => `${count} in flight, got ${life.sender.figures.inFlight}`,
    DEADLINE_MS,
  );
}

/** The broker's next answer, as soon as there is something to answer. */
function answered(up: ModelLink): Promise<unknown> {
  return until(() => up.answer(1), 'a packet', DEADLINE_MS);
}

test('a broker that takes 20 s for each answer, a full window of them, is not given up', async (t) => {
  const { life, up, hand } = await setScene(t, 15);
  const events = life.sender.figures.inFlight;
  assert.ok(events >= 15);
  for (let answers = 0; answers < 2 * events; answers += 1) {
    hand.pass(20_000);
    await answered(up);
    assert.equal(life.up, up, `given up at answer ${answers}`);
  }
  await inFlight(life, 0);
  assert.equal(hand.timers, 0);
});

for (const what of ['PUBREC', 'PUBCOMP'] as const) {
  test(`a broker that never sends one ${what} is given up 30 s after its turn, however busy it is with others`, async (t) => {
    const { life, up, hand } = await setScene(t, 2);
    const events = life.sender.figures.inFlight;
    if (what === 'PUBCOMP') for (let count = 0; count < events; count += 1) await answered(up);
    const taken = life.sender.figures.handed;
    if (what === 'PUBCOMP') await until(() => up.swallow(), 'a PUBREL', DEADLINE_MS);
    else assert.ok(up.swallow());
    for (let passed = 0; passed < 2; passed += 1) {
      hand.pass(14_000);
      const { handed } = life.sender.figures;
      const { last } = life.ledger.figures;
      await appendSales(life.ledger, last, last);
      // All but the one: whatever comes is answered at once.
      await until(() => (up.answer(100), life.sender.figures.inFlight === 1), 'all the others', DEADLINE_MS);
      assert.ok(life.sender.figures.handed > handed);
      assert.equal(life.up, up);
    }
    assert.ok(life.sender.figures.handed > taken);
    hand.pass(2000);
    assert.equal(life.up, undefined);
  });
}

test('an event that waits for the disk is not held against the broker', async (t) => {
  const { life, up, hand, holdDisk } = await setScene(t, 1);
  const release = holdDisk();
  up.answer(100);
  hand.pass(10 * ANSWER_MS);
  assert.equal(life.up, up);
  assert.ok(life.sender.figures.inFlight > 0);
  release();
  await until(() => (up.answer(100), life.sender.figures.inFlight === 0), 'the end of it', DEADLINE_MS);
});

test('an event whose mark is lost on the way to disk, while others are written, is sent again on another link', async (t) => {
  const { life, broker, up, hand } = await setScene(t, 1);
  const events = life.sender.figures.inFlight;
  // The fault: what the broker has taken is not asked to be marked.
  life.ledger.release = () => undefined;
  up.answer(100);
  for (let sold = 2; sold <= 4; sold += 1) await appendSales(life.ledger, sold, sold);
  assert.equal(life.up, up);
  hand.pass(ANSWER_MS);
  assert.equal(life.up, undefined);
  Reflect.deleteProperty(life.ledger, 'release');
  await life.connect(broker);
  await until(() => (life.up?.answer(100), life.ledger.figures.unsent === 0), 'the end of it', DEADLINE_MS);
  assert.equal(broker.delivered.length, events + 3);
});
