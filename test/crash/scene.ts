/**
 * The scene of a row of the crash matrix: a fast pump on a raw TCP line, the agent as a process, links that can be cut, a
 * real Mosquitto, a persistent QoS 2 consumer. A row breaks something on it; then the scene runs on without faults until
 * all that was accepted has arrived, or a deadline, and makes the bill.
 */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { topicsOf } from '../../src/broker/topics.ts';
import { Audit, type Bill } from '../../src/demo/audit.ts';
import { openPumpLine } from '../../src/demo/pump-line.ts';
import { AgentProcess } from '../../src/workbench/agent-process.ts';
import { endText } from '../../src/workbench/child.ts';
import { Consumer } from '../../src/workbench/consumer.ts';
import { writeDeviceFile } from '../../src/workbench/device-file.ts';
import { FuelPump } from '../../src/workbench/fuel-pump.ts';
import { LinkProxy, type LinkProxyOptions } from '../../src/workbench/link-proxy.ts';
import { Mosquitto, type MosquittoOptions } from '../../src/workbench/mosquitto.ts';
import { type Random, seededRandom } from '../../src/workbench/random.ts';
import { type DeviceLine, openSerialServer } from '../../src/workbench/serial-server.ts';
import { makeTemporaryDirectory } from '../../src/workbench/temp.ts';
import type { Undo } from '../../src/workbench/undo.ts';
import { until, WaitedInVain } from '../../src/workbench/wait.ts';

const DEVICE = 'pump-42';
const ONE_WAY_DELAY_MS = 3;
/** Sales on the line and not acknowledged. */
const PUMP_WINDOW = 64;
const REPEAT_MS = 250;
const TICK_MS = 20;
const CONNECT_DEADLINE_MS = 15_000;
const DRAIN_MS = 30_000;
const QUIET_MS = 1000;

export interface SceneOptions {
  readonly seed: number;
  readonly protocol: 4 | 5;
  readonly salesPerSecond: number;
  readonly program: readonly [string, ...string[]];
  /** Device and consumer use receipts. Default: false. */
  readonly receipts?: boolean;
  readonly persistence?: MosquittoOptions['persistence'];
  /** Sees each packet between agent and broker. */
  readonly watch?: LinkProxyOptions['watch'];
  /** Where ledger and state lie; default: in the scene's own directory. */
  readonly disk?: string;
  /** Further members of `ledger` in device.json. */
  readonly ledger?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  /** The row makes forks; they count as events of their own. */
  readonly forksApart?: boolean;
  /** The pump is on a pseudo-terminal, in place of a TCP line. */
  readonly tty?: boolean;
  /** How long everything may take to come home in the end. A control never does. */
  readonly drainMs?: number;
}

interface Players {
  readonly random: Random;
  readonly directory: string;
  /** Holds `ledger` and `state`. */
  readonly disk: string;
  readonly mosquitto: Mosquitto;
  readonly link: LinkProxy;
  /** Between broker and consumer: refused and cut, the consumer is offline, and its session waits. */
  readonly consumerLink: LinkProxy;
  readonly consumer: Consumer;
  readonly pump: FuelPump;
  readonly line: DeviceLine['port'];
  readonly agent: AgentProcess;
  readonly config: string;
  readonly audit: Audit;
}

export class Scene {
  readonly players: Players;
  readonly #options: SceneOptions;
  #selling: NodeJS.Timeout | undefined;

  /** `undo` takes down whatever was set up, also when this fails half way. */
  static async set(options: SceneOptions, undo: Undo): Promise<Scene> {
    const scene = new Scene(options, await callPlayers(options, undo));
    undo.add(() => scene.stopSelling());
    return scene;
  }

  private constructor(options: SceneOptions, players: Players) {
    this.#options = options;
    this.players = players;
  }

  startSelling(): void {
    const { pump } = this.players;
    this.#selling ??= setInterval(() => pump.sell(performance.now()), 1000 / this.#options.salesPerSecond);
  }

  stopSelling(): void {
    clearInterval(this.#selling);
    this.#selling = undefined;
  }

  /** Starts the agent and waits for its connection. */
  async startAgent(under: readonly string[] = []): Promise<void> {
    const { agent, link } = this.players;
    const { connections } = link.counters;
    agent.start(under);
    await until(
      () => this.mustLive() && link.counters.connections > connections,
      () => `the agent's connection; it said: ${agent.child.lastWords()}`,
      CONNECT_DEADLINE_MS,
    );
  }

  mustLive(): true {
    const { child } = this.players.agent;
    if (child.ended === undefined) return true;
    throw new Error(`the agent ended by itself (${endText(child.ended)}): ${child.lastWords()}`);
  }

  /** Sales accepted or delivered so far: a measure of whether anything went on. */
  get progress(): number {
    return this.players.pump.accepted.length + this.players.audit.received;
  }

  async accepted(more: number, deadlineMs: number = CONNECT_DEADLINE_MS): Promise<void> {
    const { pump, agent } = this.players;
    const wanted = pump.accepted.length + more;
    await until(
      () => pump.accepted.length >= wanted,
      () => `${wanted} accepted sales (${pump.accepted.length}); the agent said: ${agent.child.lastWords()}`,
      deadlineMs,
    );
  }

  /** Until everything accepted has come and nothing comes any more. Resolves with what is stuck, if anything is. */
  async drain(): Promise<string | undefined> {
    const { agent, pump, consumer, audit } = this.players;
    this.stopSelling();
    const { drainMs = DRAIN_MS, receipts = false } = this.#options;
    const lost = (): number => pump.accepted.filter((sale) => !audit.has(sale)).length;
    const gaps = (): number => (receipts ? consumer.deliveries.figures.gaps : 0);
    try {
      await until(
        () => this.mustLive() && pump.waiting === 0 && lost() === 0 && gaps() === 0,
        () =>
          `${pump.waiting} sales to be accepted, ${lost()} to arrive, ${gaps()} gaps; ` +
          `the agent said: ${agent.child.lastWords()}`,
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

  bill(): Bill {
    const { audit, pump, consumer } = this.players;
    return audit.settle(pump.sales, pump.accepted, {
      ...consumer.deliveries.figures,
      askedRepeats: consumer.askedRepeats,
    });
  }
}

async function callPlayers(options: SceneOptions, undo: Undo): Promise<Players> {
  const { protocol, program, receipts = false, forksApart = false } = options;
  const random = seededRandom(options.seed);
  const directory = await makeTemporaryDirectory('crash');
  undo.add(directory.remove);
  const { persistence } = options;
  const mosquitto = new Mosquitto({
    directory: join(directory.path, 'mosquitto'),
    ...(persistence === undefined ? {} : { persistence }),
  });
  undo.add(() => mosquitto.kill());
  await mosquitto.start();
  const link = await openLink(mosquitto, options.watch, undo);
  const consumerLink = await openLink(mosquitto, undefined, undo);
  const audit = new Audit({ forksApart });
  const consumer = new Consumer({
    port: consumerLink.port,
    protocol,
    clientId: 'collector',
    root: topicsOf('fp/v1', DEVICE).root,
    receipts,
    onEvent: (verdict, event) => audit.take(verdict, event),
  });
  undo.add(() => consumer.stop());
  await consumer.start();
  const { pump, line } = await openPump(random, options.tty === true, undo);
  const disk = options.disk ?? join(directory.path, 'disk');
  await mkdir(join(disk, 'ledger'), { recursive: true });
  const config = await writeDeviceFile(join(directory.path, 'device.json'), {
    device: DEVICE,
    brokerPort: link.port,
    protocol,
    ledgerDirectory: join(disk, 'ledger'),
    line,
    receipts,
    ...(options.ledger === undefined ? {} : { ledger: options.ledger }),
  });
  const agent = new AgentProcess({ program, config, ...(options.env === undefined ? {} : { env: options.env }) });
  undo.add(() => endAgent(agent));
  return {
    random,
    directory: directory.path,
    disk,
    mosquitto,
    link,
    consumerLink,
    consumer,
    pump,
    line,
    agent,
    config,
    audit,
  };
}

async function openLink(mosquitto: Mosquitto, watch: LinkProxyOptions['watch'], undo: Undo): Promise<LinkProxy> {
  const link = new LinkProxy({
    target: mosquitto.port,
    oneWayDelayMs: ONE_WAY_DELAY_MS,
    ...(watch === undefined ? {} : { watch }),
  });
  undo.add(() => link.stop());
  await link.start();
  return link;
}

async function openPump(
  random: Random,
  tty: boolean,
  undo: Undo,
): Promise<{ readonly pump: FuelPump; readonly line: DeviceLine['port'] }> {
  let write = (_text: string): boolean => false;
  const pump = new FuelPump({
    boot: 'a1',
    window: PUMP_WINDOW,
    repeatMs: REPEAT_MS,
    random,
    write: (text) => write(text),
  });
  const events = {
    opened: () => pump.lineOpened(performance.now()),
    bytes: (bytes: Buffer) => pump.take(bytes, performance.now()),
  };
  const line = await (tty ? openPumpLine(events, () => undefined) : openSerialServer(events));
  undo.add(line.close);
  write = line.write;
  const ticking = setInterval(() => pump.tick(performance.now()), TICK_MS);
  undo.add(() => clearInterval(ticking));
  return { pump, line: line.port };
}

/**
 * Ends the agent for good. Under strace it is strace's child: a killed strace would let it go and leave it running, so the
 * agent is ended and strace ends with it.
 */
export async function endAgent(agent: AgentProcess): Promise<void> {
  if (!agent.running) return;
  const { pid } = agent.child;
  for (const child of pid === undefined ? [] : await childrenOf(pid)) {
    try {
      process.kill(child, 'SIGKILL');
    } catch {
      // It ended in between.
    }
  }
  await agent.kill9();
}

async function childrenOf(pid: number): Promise<number[]> {
  const found: number[] = [];
  for (const task of await readdir(`/proc/${pid}/task`).catch(() => [])) {
    const text = await readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '');
    found.push(...text.split(' ').filter(Boolean).map(Number));
  }
  return found;
}
