/**
 * A fleet in one process: for each device the product's own connection, retry plan and link, on a socket of its own to a
 * real Mosquitto, without sensors and ledger. The broker is ended and started again, and each attempt is timed.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Connection } from '../../src/broker/connection.ts';
import type { SessionStore } from '../../src/broker/own-session.ts';
import type { KnownSession } from '../../src/broker/session-plan.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { mqttLinkOpener } from '../../src/platform/mqtt-link.ts';
import type { LinkOpener } from '../../src/ports-broker.ts';
import { Mosquitto } from '../../src/workbench/mosquitto.ts';
import { seededRandom } from '../../src/workbench/random.ts';
import { makeTemporaryDirectory } from '../../src/workbench/temp.ts';
import { Undo } from '../../src/workbench/undo.ts';
import { until } from '../../src/workbench/wait.ts';
import { NO_CREDENTIALS } from '../platform/plain-link.ts';
import type { FleetOptions, FleetTimes } from './model.ts';

const UP_DEADLINE_MS = 120_000;
const silent = { error: none, warn: none, info: none, debug: none };

function none(): void {}

/** Times count from the loss of the broker. Its outage is as long as asked, and the time that it takes to start. */
export async function runFleet(options: FleetOptions): Promise<FleetTimes & { readonly backMs: number }> {
  const undo = new Undo();
  try {
    const directory = await makeTemporaryDirectory('reconnect');
    undo.add(directory.remove);
    const broker = new Mosquitto({ directory: directory.path, persistence: false });
    await broker.start();
    undo.add(() => broker.kill());
    const attempts: number[] = [];
    const ups: number[] = [];
    let up = 0;
    const opener = countingOpener(attempts);
    const agents = Array.from({ length: options.agents }, (_, at) =>
      connection(broker.port, at, options, opener, (isUp) => {
        up += isUp ? 1 : -1;
        if (isUp) ups.push(performance.now());
      }),
    );
    undo.add(() => Promise.all(agents.map((agent) => agent.stop())));
    for (const agent of agents) agent.start();
    const all = (): boolean => up === options.agents;
    await until(all, () => `${options.agents} connections, got ${up}`, UP_DEADLINE_MS);
    attempts.length = 0;
    ups.length = 0;
    const lostMs = performance.now();
    await broker.kill();
    await pause(options.outageMs);
    await broker.start();
    const backMs = performance.now() - lostMs;
    await until(all, () => `${options.agents} connections again, got ${up}`, UP_DEADLINE_MS);
    const since = (times: readonly number[]): number[] => times.map((time) => time - lostMs);
    return { attempts: since(attempts), ups: since(ups), backMs };
  } finally {
    await undo.run();
  }
}

function countingOpener(attempts: number[]): LinkOpener {
  const real = mqttLinkOpener(() => NO_CREDENTIALS);
  return {
    ...real,
    open: (target, listener) => {
      // A session that is thrown away first is the same attempt.
      if (!target.cleanStart) attempts.push(performance.now());
      return real.open(target, listener);
    },
  };
}

function connection(
  port: number,
  at: number,
  { seed, jitter }: FleetOptions,
  opener: LinkOpener,
  isUp: (up: boolean) => void,
): Connection {
  const random = seededRandom(seed + at);
  const id = `device-${at}`;
  let session: KnownSession | undefined;
  const store: SessionStore = {
    get session() {
      return session;
    },
    life: { ordinal: 1, epoch: `E${at}` },
    markSession: (mark) => {
      session = mark;
      return Promise.resolve();
    },
  };
  return new Connection({
    opener,
    store,
    clock: systemClock,
    chance: { unit: () => (jitter ? random.unit() : 1), bytes: (count) => Buffer.alloc(count, at) },
    log: silent,
    urls: [`mqtt://127.0.0.1:${port}`],
    returnAfterMs: 0,
    topicRoot: `fp/v1/${id}`,
    target: {
      protocol: 5,
      clientIdentifier: id,
      keepAliveMs: 60_000,
      sessionExpiryMs: 3_600_000,
      connectTimeoutMs: 30_000,
    },
    held: () => undefined,
    newSession: () => `${id}-session`,
    traffic: {
      opening: () => ({ topic: `fp/v1/${id}/up/status`, payload: Buffer.from('{}'), delayMs: 10_000 }),
      inbound: (chunk) => [chunk],
      drained: none,
      message: none,
      up: () => isUp(true),
      down: () => isUp(false),
      quiesce: () => Promise.resolve(),
      failed: none,
    },
  });
}
