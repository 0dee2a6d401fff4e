/**
 * The whole agent on a wall clock that jumps from 1970 to 2100 and back, on a real Mosquitto over mutual TLS: nothing is
 * lost, nothing is dated anew, a broker that can not be judged is not trusted, and every sale can be dated afterwards.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Child } from '../../src/workbench/child.ts';
import { dated, type DatedEvent } from '../clock/dating.ts';
import { listAll } from '../ledger/sample.ts';
import { type FakeTime, fakeTime, NO_FAKE_TIME } from '../rig/fake-time.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';
import { connectionsTo, setFaultStage } from './fault-stage.ts';
import { setStage, type Stage } from './stage.ts';

const DEADLINE_MS = 30_000;
const MINUTE_MS = 60_000;
/** What the jumps leave of a sale's true time: the clock's step is seen within ten seconds, the rest is exact. */
const NEAR_MS = 3000;

/** Whatever keeps the clock of the machine that runs the tests says nothing of the one that they set. */
const NO_BUS = { DBUS_SYSTEM_BUS_ADDRESS: 'unix:path=/nonexistent' };

async function setTime(
  t: TestContext,
): Promise<(FakeTime & { readonly agentEnv: Record<string, string> }) | undefined> {
  const clock = await fakeTime(join(await temporaryDirectory(t), 'time'));
  return clock === undefined ? undefined : { ...clock, agentEnv: { ...clock.env, ...NO_BUS } };
}

/** Sales one after the other, with the true time of each by its number. */
class Till {
  readonly #stage: Stage;
  readonly times = new Map<string, number>();

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  async sell(count: number): Promise<void> {
    for (let sale = 0; sale < count; sale += 1) {
      const seq = this.times.size + 1;
      this.times.set(String(seq), Date.now());
      await this.#stage.meter(`{"k":"sale","boot":"a1","seq":${seq},"ml":${seq},"cents":${seq}}`);
      await until(() => this.#stage.answers().includes(`ACK a1 ${seq}\n`), `the answer to sale ${seq}`, DEADLINE_MS);
    }
  }
}

function eventsSeen(stage: Stage): readonly DatedEvent[] {
  const seen = stage.seen().filter(({ topic }) => topic.includes('/up/event/'));
  return seen.map(({ payload }) => payload as unknown as DatedEvent);
}

async function ping(t: TestContext, stage: Stage, id: string, expiresMs: number): Promise<string> {
  const root = 'fp/v1/pump-42';
  const message = JSON.stringify({ expires: new Date(expiresMs).toISOString() });
  const topics = ['-t', `${root}/down/command/ping/${id}`, '-e', `${root}/up/response/ping/${id}`];
  const options = ['-V', '5', '-W', '10', '-q', '1', '-m', message];
  const child = new Child({ command: 'mosquitto_rr', args: [...stage.operatorArgs, ...options, ...topics] });
  t.after(() => child.kill9());
  await child.exited;
  return (JSON.parse(child.outLines.join('\n')) as { status: string }).status;
}

test('a clock that jumps from 1970 to 2100 and back while events flow changes nothing but time stamps', async (t) => {
  const clock = await setTime(t);
  if (clock === undefined) return t.skip(NO_FAKE_TIME);
  const stage = await setStage(t, { env: clock.agentEnv });
  const till = new Till(stage);
  stage.agent.start();
  const connections = (): number => stage.agent.child.lines.filter((line) => line.includes('broker connected')).length;
  await until(() => connections() === 1, 'the first connection', DEADLINE_MS);
  await till.sell(5);
  let connected = 1;
  for (const year of [1970, 2100]) {
    await clock.set(Date.UTC(year, 0, 2));
    await till.sell(5);
    // A request that is still good, and by this clock either has eighty years to go or is seventy years late.
    assert.equal(await ping(t, stage, `in-${year}`, Date.now() + 60_000), 'succeeded');
    await stage.broker.restart('term');
    const told = await stage.agent.child.line(new RegExp(` word=tls\\.clock .*clock says ${year}-01-02T`), DEADLINE_MS);
    assert.match(told, /it was never set/);
    await till.sell(5);
    assert.equal(connections(), connected, 'a certificate that can not be judged is not trusted');
    // The witness has no session that would keep events for it.
    await until(() => stage.broker.log.some((said) => said.endsWith('fp/v1/#')), 'the witness', DEADLINE_MS);
    await clock.real();
    connected += 1;
    await until(() => connections() === connected, 'a connection as soon as the clock is set', DEADLINE_MS);
    await till.sell(5);
  }
  const kept = await until(
    async () => {
      const events = await listAll(stage.ledgerDirectory);
      const seen = eventsSeen(stage);
      const anchored = seen.filter(({ type }) => type === 'clock.anchor').length >= 2;
      return anchored && seen.length >= events.length ? events : undefined;
    },
    () =>
      `all events and two anchors at the broker; ${eventsSeen(stage).length} of ${till.times.size} sales and the agent's own`,
    DEADLINE_MS,
  );
  const bytes = kept.map(({ payload }) => payload.toString('utf8'));
  const seen = [...eventsSeen(stage)].sort((one, other) => one.seq - other.seq);
  assert.deepEqual(
    seen.map((event) => JSON.stringify(event)),
    bytes,
    'each event once, with the bytes it was recorded with',
  );
  const sales = seen.filter(({ stream }) => stream === 'sale');
  assert.equal(sales.length, till.times.size);
  for (const year of ['1970', '2100']) {
    const then = sales.filter(({ time }) => time.startsWith(year));
    assert.equal(then.length, 10, `sales that were recorded in ${year}`);
    assert.ok(then.every((event) => event.clock === 'unknown'));
  }
  const anchors = seen.filter(({ type }) => type === 'clock.anchor');
  assert.ok(anchors.length >= 2 && anchors.length <= 6, `${anchors.length} anchors`);
  for (const sale of sales) {
    const trueMs = till.times.get(sale.source?.seq ?? '') ?? 0;
    const offMs = Date.parse(dated(sale, seen).time) - trueMs;
    assert.ok(
      Math.abs(offMs) < NEAR_MS,
      `sale ${sale.source?.seq}, recorded at ${sale.time}, is dated ${offMs} ms off`,
    );
  }
});

test('a device that starts in 1970 sells, connects once its clock is set, and dates what it sold', async (t) => {
  const clock = await setTime(t);
  if (clock === undefined) return t.skip(NO_FAKE_TIME);
  await clock.set(30_000);
  const stage = await setStage(t, { env: clock.agentEnv });
  const till = new Till(stage);
  stage.agent.start();
  await stage.agent.child.line(/the clock was not set yet: .*clock=1970-01-01T/, DEADLINE_MS);
  await stage.agent.child.line(/ word=tls\.clock /, DEADLINE_MS);
  await till.sell(3);
  await stage.agent.kill9();
  stage.agent.start();
  await stage.agent.child.line(/ word=tls\.clock /, DEADLINE_MS);
  await till.sell(3);
  await clock.real();
  const anchor = await until(
    () => eventsSeen(stage).find(({ type }) => type === 'clock.anchor'),
    () => `an anchor; ${stage.agent.child.lastWords()}`,
    DEADLINE_MS,
  );
  assert.notEqual(anchor.clock, 'unknown');
  assert.deepEqual(
    [anchor.stream, anchor.data['before']?.value, anchor.data['why']?.value],
    ['agent', 'unknown', 'better'],
  );
  await until(() => eventsSeen(stage).filter(({ stream }) => stream === 'sale').length === 6, 'the sales', DEADLINE_MS);
  for (const sale of eventsSeen(stage).filter(({ stream }) => stream === 'sale')) {
    assert.match(sale.time, /^1970-/);
    const offMs = Date.parse(dated(sale, eventsSeen(stage)).time) - (till.times.get(sale.source?.seq ?? '') ?? 0);
    assert.ok(Math.abs(offMs) < NEAR_MS, `dated ${offMs} ms off`);
  }
});

test('a certificate that ended before a time that the device has lived is refused, though its clock stands before', async (t) => {
  const clock = await setTime(t);
  if (clock === undefined) return t.skip(NO_FAKE_TIME);
  const stage = await setFaultStage(t);
  const good = await stage.mosquitto();
  const before = await stage.agent(good.port, undefined, clock.agentEnv);
  before.process.start();
  await before.process.child.line(/broker connected/, DEADLINE_MS);
  await before.process.term();
  const nowMs = Date.now();
  const validity = { notBefore: new Date(nowMs - 5 * MINUTE_MS), notAfter: new Date(nowMs - 2 * MINUTE_MS) };
  const old = await stage.mosquitto({ server: await stage.authority.issueServer(['127.0.0.1'], validity) });
  await clock.set(nowMs - 4 * MINUTE_MS);
  const after = await stage.agent(old.port, undefined, clock.agentEnv);
  after.process.start();
  const told = await after.process.child.line(/ word=tls\./, DEADLINE_MS);
  const floor = new Date(nowMs).toISOString().slice(0, 10);
  assert.match(told, new RegExp(` word=tls\\.expired .*it is ${floor}T.* at least`));
  assert.ok(connectionsTo(old) >= 1);
});
