/**
 * One crash run: a fast pump on a raw TCP line, the agent as a process that is killed with SIGKILL again and again, a link
 * that is cut, a real Mosquitto that keeps its state as config/mosquitto/ sets it up, a persistent QoS 2 consumer. After
 * the last kill the agent runs on without faults until all that is accepted has arrived, or a deadline; then it is billed.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { topicsOf } from '../../src/broker/topics.ts';
import { Audit, type Bill } from '../../src/demo/audit.ts';
import { AgentProcess } from '../../src/workbench/agent-process.ts';
import { endText } from '../../src/workbench/child.ts';
import { Consumer } from '../../src/workbench/consumer.ts';
import { writeDeviceFile } from '../../src/workbench/device-file.ts';
import { FuelPump } from '../../src/workbench/fuel-pump.ts';
import { LinkProxy } from '../../src/workbench/link-proxy.ts';
import { Mosquitto } from '../../src/workbench/mosquitto.ts';
import { type Random, seededRandom } from '../../src/workbench/random.ts';
import { openSerialServer } from '../../src/workbench/serial-server.ts';
import { makeTemporaryDirectory } from '../../src/workbench/temp.ts';
import { Undo } from '../../src/workbench/undo.ts';
import { until, WaitedInVain } from '../../src/workbench/wait.ts';
import { type BrokerFaults, type LifePlan, planLives } from './plan.ts';

const DEVICE = 'pump-42';
const ONE_WAY_DELAY_MS = 3;
/** Sales on the line and not acknowledged. */
const PUMP_WINDOW = 64;
const REPEAT_MS = 250;
const TICK_MS = 20;
const CONNECT_DEADLINE_MS = 15_000;
const DRAIN_MS = 30_000;
const QUIET_MS = 1000;

export interface CrashOptions {
  readonly runs: number;
  readonly seed: number;
  readonly protocol: 4 | 5;
  readonly brokerFaults: BrokerFaults;
  readonly salesPerSecond: number;
  /** How long the last life may take to bring everything home. A control never does. */
  readonly drainMs?: number;
  readonly program: readonly [string, ...string[]];
  readonly progress?: (life: number, accepted: number) => void;
}

export interface CrashResult {
  readonly kills: number;
  /** Kills of a life in which at least one sale was accepted or delivered: the others hit an idle start-up. */
  readonly busyKills: number;
  /** Cuts that hit an open connection. */
  readonly cuts: number;
  readonly brokerFaults: number;
  readonly bill: Bill;
  /** What kept the run from being drained in time. */
  readonly stuck: string | undefined;
}

export async function runCrash(options: CrashOptions): Promise<CrashResult> {
  const undo = new Undo();
  try {
    return await new CrashRun(options, undo).run();
  } finally {
    await undo.run();
  }
}

interface Players {
  readonly mosquitto: Mosquitto;
  readonly link: LinkProxy;
  readonly consumer: Consumer;
  readonly pump: FuelPump;
  readonly agent: AgentProcess;
}

class CrashRun {
  readonly #options: CrashOptions;
  readonly #undo: Undo;
  readonly #audit = new Audit();
  #kills = 0;
  #busyKills = 0;
  #cuts = 0;
  #brokerFaults = 0;

  constructor(options: CrashOptions, undo: Undo) {
    this.#options = options;
    this.#undo = undo;
  }

  async run(): Promise<CrashResult> {
    const random = seededRandom(this.#options.seed);
    const plan = planLives(random, this.#options.runs, this.#options.brokerFaults);
    const players = await this.#callPlayers(random);
    const { pump, consumer } = players;
    const selling = setInterval(() => pump.sell(performance.now()), 1000 / this.#options.salesPerSecond);
    this.#undo.add(() => clearInterval(selling));
    for (const [at, life] of plan.entries()) {
      await this.#live(players, life);
      this.#options.progress?.(at + 1, pump.accepted.length);
    }
    clearInterval(selling);
    const stuck = await this.#drain(players);
    return {
      kills: this.#kills,
      busyKills: this.#busyKills,
      cuts: this.#cuts,
      brokerFaults: this.#brokerFaults,
      bill: this.#audit.settle(pump.sales, pump.accepted, consumer.deliveries.figures),
      stuck,
    };
  }

  async #callPlayers(random: Random): Promise<Players> {
    const { protocol, program } = this.#options;
    const directory = await makeTemporaryDirectory('crash');
    this.#undo.add(directory.remove);
    const mosquitto = new Mosquitto({ directory: join(directory.path, 'mosquitto') });
    this.#undo.add(() => mosquitto.kill());
    await mosquitto.start();
    const link = new LinkProxy({ target: mosquitto.port, oneWayDelayMs: ONE_WAY_DELAY_MS });
    this.#undo.add(() => link.stop());
    await link.start();
    const { root } = topicsOf('fp/v1', DEVICE);
    const consumer = new Consumer({
      port: mosquitto.port,
      protocol,
      clientId: 'collector',
      root,
      onEvent: (verdict, event) => this.#audit.take(verdict, event),
    });
    this.#undo.add(() => consumer.stop());
    await consumer.start();
    const { pump, tcp } = await this.#openPump(random);
    const ledgerDirectory = join(directory.path, 'ledger');
    await mkdir(ledgerDirectory);
    const config = await writeDeviceFile(join(directory.path, 'device.json'), {
      device: DEVICE,
      brokerPort: link.port,
      protocol,
      ledgerDirectory,
      line: { tcp },
    });
    const agent = new AgentProcess({ program, config });
    this.#undo.add(() => agent.kill9());
    return { mosquitto, link, consumer, pump, agent };
  }

  async #openPump(random: Random): Promise<{ readonly pump: FuelPump; readonly tcp: string }> {
    let write = (_text: string): boolean => false;
    const pump = new FuelPump({
      boot: 'a1',
      window: PUMP_WINDOW,
      repeatMs: REPEAT_MS,
      random,
      write: (text) => write(text),
    });
    const line = await openSerialServer({
      opened: () => pump.lineOpened(performance.now()),
      bytes: (bytes) => pump.take(bytes, performance.now()),
    });
    this.#undo.add(line.close);
    write = line.write;
    const ticking = setInterval(() => pump.tick(performance.now()), TICK_MS);
    this.#undo.add(() => clearInterval(ticking));
    if (!('tcp' in line.port)) throw new Error('a serial server without a TCP port');
    return { pump, tcp: line.port.tcp };
  }

  /** Starts the agent, lets it live as planned, and kills it. */
  async #live(players: Players, life: LifePlan): Promise<void> {
    const { agent, link, pump } = players;
    const { connections } = link.counters;
    const before = pump.accepted.length + this.#audit.received;
    agent.start();
    if (life.from === 'connection') {
      await until(
        () => this.#mustLive(agent) && link.counters.connections > connections,
        () => `the agent's connection; it said: ${agent.child.lastWords()}`,
        CONNECT_DEADLINE_MS,
      );
    }
    const startedMs = performance.now();
    const at = async (ms: number): Promise<void> => {
      await pause(Math.max(0, startedMs + ms - performance.now()));
    };
    const faults: Promise<unknown>[] = life.cutsAfterMs.map(async (ms) => {
      await at(ms);
      if (link.cut() > 0) this.#cuts += 1;
    });
    if (life.brokerAfterMs !== undefined) faults.push(at(life.brokerAfterMs).then(() => this.#breakBroker(players)));
    await at(life.killAfterMs);
    this.#mustLive(agent);
    await agent.kill9();
    this.#kills += 1;
    if (pump.accepted.length + this.#audit.received > before) this.#busyKills += 1;
    await Promise.all(faults);
  }

  async #breakBroker({ mosquitto }: Players): Promise<void> {
    this.#brokerFaults += 1;
    await mosquitto.restart(this.#options.brokerFaults === 'kill' ? 'kill' : 'term');
  }

  /** One life without faults, until everything accepted has come. Resolves with what is stuck, if anything is. */
  async #drain({ agent, pump, consumer }: Players): Promise<string | undefined> {
    agent.start();
    const { drainMs = DRAIN_MS } = this.#options;
    const missing = (): number => pump.accepted.filter((sale) => !this.#audit.has(sale)).length;
    try {
      await until(
        () => this.#mustLive(agent) && pump.waiting === 0 && missing() === 0,
        () =>
          `${pump.waiting} sales to be accepted and ${missing()} to arrive; the agent said: ${agent.child.lastWords()}`,
        drainMs,
      );
    } catch (error) {
      if (error instanceof WaitedInVain) return error.message;
      throw error;
    }
    // What would come a second time comes now: until nothing new comes any more.
    let quiet = { deliveries: consumer.deliveries.figures.deliveries, sinceMs: performance.now() };
    await until(
      () => {
        const { deliveries } = consumer.deliveries.figures;
        if (deliveries !== quiet.deliveries) quiet = { deliveries, sinceMs: performance.now() };
        return performance.now() - quiet.sinceMs > QUIET_MS;
      },
      'the deliveries to end',
      DRAIN_MS,
    );
    return undefined;
  }

  #mustLive(agent: AgentProcess): true {
    const { ended } = agent.child;
    if (ended === undefined) return true;
    throw new Error(`the agent ended by itself (${endText(ended)}): ${agent.child.lastWords()}`);
  }
}
