/**
 * Several brokers in broker.urls, on two real Mosquittos that know nothing of each other: what is sold while one of them is
 * away arrives through the other, and the device comes back to the first. A broker that forgets nothing and stays costs no
 * repeat; one that goes away in the middle costs at most what was in flight, each with its identity.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test, type TestContext } from 'node:test';
import { Deliveries } from '../../src/workbench/deliveries.ts';
import { freePort, type Mosquitto } from '../../src/workbench/mosquitto.ts';
import { startConsumer } from '../rig/consumer.ts';
import { startLink } from '../rig/link.ts';
import { until } from '../rig/wait.ts';
import { type Agent, type FaultStage, setFaultStage } from './fault-stage.ts';

/** `window` of device.json: what can be in flight. */
const WINDOW = 32;
const SALES_MAX = 20_000;

interface Scene {
  readonly stage: FaultStage;
  /** What has come through any of the brokers. */
  readonly deliveries: Deliveries;
  /** A broker, with a consumer that stays. */
  readonly broker: () => Promise<Mosquitto>;
}

async function setScene(t: TestContext): Promise<Scene> {
  const stage = await setFaultStage(t);
  const deliveries = new Deliveries();
  const tls = { ca: await readFile(stage.ca), ...(await stage.authority.issueClient('collector')) };
  return {
    stage,
    deliveries,
    broker: async () => {
      const broker = await stage.mosquitto();
      const onEvent = (_verdict: unknown, _event: unknown, payload: Buffer): void => void deliveries.take(payload);
      await startConsumer(t, { port: broker.port, root: 'fp/v1/pump-42', tls, onEvent });
      return broker;
    },
  };
}

function connectionsAt(agent: Agent, port: number): number {
  const url = `broker connected url=mqtts://127.0.0.1:${port} `;
  return agent.process.child.lines.filter((line) => line.includes(url)).length;
}

/** Sells until this is so. Resolves with the number of the last sale. */
async function sellUntil(agent: Agent, from: number, isSo: () => boolean): Promise<number> {
  let seq = from;
  while (!isSo()) {
    seq += 1;
    assert.ok(seq < SALES_MAX, agent.process.child.lastWords());
    await agent.sell(seq);
  }
  return seq;
}

async function haveCome(deliveries: Deliveries, events: number): Promise<void> {
  await until(
    () => deliveries.figures.events === events,
    () => `${events} events, got ${deliveries.figures.events}`,
    60_000,
  );
}

// Each test waits most of its time.
describe('several brokers', { concurrency: 2 }, () => {
  test('what is sold while the first is away arrives through the second, and the device comes back', async (t) => {
    const { stage, deliveries, broker } = await setScene(t);
    const [first, second] = [await broker(), await broker()];
    // So far away that there is always something in flight.
    const far = await startLink(t, { target: second.port, oneWayDelayMs: 40 });
    const urls = [first, far].map(({ port }) => `mqtts://127.0.0.1:${port}`);
    const agent = await stage.agent(first.port, (keys) => ({ ...keys, urls, returnAfter: '1s', window: WINDOW }));
    agent.process.start();
    await haveCome(deliveries, 1);
    let sold = await sellUntil(agent, 0, () => connectionsAt(agent, first.port) === 1);

    await first.kill();
    sold = await sellUntil(agent, sold, () => connectionsAt(agent, far.port) === 1);
    await haveCome(deliveries, sold + 1);
    const { repeats } = deliveries.figures;
    assert.ok(repeats <= WINDOW, `${repeats} repeats`);

    await first.start();
    sold = await sellUntil(agent, sold, () => connectionsAt(agent, first.port) === 2);
    sold = await sellUntil(
      agent,
      sold,
      (
        (end) => () =>
          end <= performance.now()
      )(performance.now() + 200),
    );
    await haveCome(deliveries, sold + 1);
    const { forks, gaps, repeats: after } = deliveries.figures;
    assert.deepEqual({ forks, gaps }, { forks: 0, gaps: 0 });
    // Nothing was in flight when it came back by itself.
    assert.equal(after, repeats);
    const told = agent.process.child.lines.filter((line) => line.includes('the first broker is there again'));
    assert.equal(told.length, 1);
    t.diagnostic(`${sold} sales, ${repeats} repeats`);
  });

  test('a second broker that is not there does not cost the session of the first', async (t) => {
    const { stage, deliveries, broker } = await setScene(t);
    const first = await broker();
    const urls = [`mqtts://127.0.0.1:${first.port}`, `mqtts://127.0.0.1:${await freePort()}`];
    const agent = await stage.agent(first.port, (keys) => ({ ...keys, urls }));
    agent.process.start();
    await haveCome(deliveries, 1);
    await first.stop();
    const refused = (): number =>
      agent.process.child.lines.filter((line) => / word=network\.refused/.test(line)).length;
    // One of them is the second broker.
    let sold = await sellUntil(agent, 0, () => refused() >= 2);
    await first.start();
    sold = await sellUntil(agent, sold, () => connectionsAt(agent, first.port) === 2);
    await haveCome(deliveries, sold + 1);
    const { repeats, forks, gaps } = deliveries.figures;
    assert.deepEqual({ repeats, forks, gaps }, { repeats: 0, forks: 0, gaps: 0 });
    const lines = agent.process.child.lines;
    assert.ok(lines.some((line) => line.includes('session_present=true')));
    assert.equal(lines.filter((line) => line.includes('clean start')).length, 1);
  });
});
