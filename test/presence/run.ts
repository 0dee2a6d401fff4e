/**
 * Presence under faults: the built agent, a real Mosquitto, a link that is cut, a second agent with the same identity.
 * What is true (a client of this identity is connected) comes from the broker's own log; two readers of the retained
 * status are asked every few milliseconds what they believe.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { MqttClient } from 'mqtt';
import { AgentProcess } from '../../src/workbench/agent-process.ts';
import { writeDeviceFile } from '../../src/workbench/device-file.ts';
import { LinkProxy } from '../../src/workbench/link-proxy.ts';
import { Mosquitto } from '../../src/workbench/mosquitto.ts';
import { type Random, seededRandom } from '../../src/workbench/random.ts';
import { openSerialServer } from '../../src/workbench/serial-server.ts';
import { makeTemporaryDirectory } from '../../src/workbench/temp.ts';
import { Undo } from '../../src/workbench/undo.ts';
import { until } from '../../src/workbench/wait.ts';
import { contractReader, naiveReader, type StatusMessage, Watch } from './readers.ts';

const DEVICE = 'pump-42';
const HEARTBEAT_S = 5;
/** As the agent publishes it with this heartbeat. */
export const VALID_FOR_MS = 3 * HEARTBEAT_S * 1000;
const LOOK_MS = 5;
/** Longer than the broker's autosave takes. */
const SAVED_MS = 2500;
const DEADLINE_MS = 90_000;

export const FAULTS = ['kill', 'term', 'cut', 'broker term', 'broker kill', 'takeover', 'both die'] as const;
export type FaultName = (typeof FAULTS)[number];

export interface PresenceOptions {
  readonly runs: number;
  readonly seed: number;
  readonly program: readonly [string, ...string[]];
  readonly progress?: (fault: number, name: FaultName) => void;
}

export interface PresenceResult {
  readonly faults: Readonly<Record<FaultName, number>>;
  readonly statuses: number;
  readonly seconds: number;
  /** Longest time at a stretch that each reader was wrong, ms; and how often it was wrong for longer than 1 s. */
  readonly worstMs: number;
  readonly wrongStretches: number;
  readonly naiveWorstMs: number;
}

/** The same seed gives the same faults. Each kind comes up; the slow one, where both die for long, only now and then. */
export function planFaults(random: Random, runs: number): FaultName[] {
  const often = FAULTS.filter((fault) => fault !== 'both die');
  return Array.from({ length: runs }, (_, at) =>
    at % 25 === 7 ? 'both die' : (often[at < often.length ? at : random.whole(0, often.length - 1)] ?? 'kill'),
  );
}

export async function runPresence(options: PresenceOptions): Promise<PresenceResult> {
  const undo = new Undo();
  try {
    return await new PresenceRun(options, undo).run();
  } finally {
    await undo.run();
  }
}

interface Players {
  readonly broker: Mosquitto;
  readonly link: LinkProxy;
  readonly agent: AgentProcess;
  readonly twin: AgentProcess;
}

class PresenceRun {
  readonly #options: PresenceOptions;
  readonly #undo: Undo;
  readonly #random: Random;
  readonly #watches = [new Watch(contractReader()), new Watch(naiveReader())] as const;
  readonly #counts = Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as Record<FaultName, number>;
  #statuses = 0;
  #players: Players | undefined;

  constructor(options: PresenceOptions, undo: Undo) {
    this.#options = options;
    this.#undo = undo;
    this.#random = seededRandom(options.seed);
  }

  async run(): Promise<PresenceResult> {
    const { runs, progress } = this.#options;
    const players = await this.#setUp();
    this.#players = players;
    const startedMs = performance.now();
    const looking = setInterval(() => this.#look(), LOOK_MS);
    this.#undo.add(() => clearInterval(looking));
    players.agent.start();
    await this.#connected();
    for (const [at, fault] of planFaults(this.#random, runs).entries()) {
      progress?.(at + 1, fault);
      this.#counts[fault] += 1;
      await this.#fault(fault, players);
      // Now and then the next fault comes before the agent is back.
      if (this.#random.unit() < 0.8) await this.#connected();
      await pause(this.#random.between(100, 1500));
    }
    await this.#ensureRunning(players);
    await this.#connected();
    await until(
      () => this.#watches[0].reader.belief(performance.now()) === 'online',
      'the reader to know',
      DEADLINE_MS,
    );
    clearInterval(looking);
    for (const watch of this.#watches) watch.end(performance.now());
    const [contract, naive] = this.#watches;
    return {
      faults: this.#counts,
      statuses: this.#statuses,
      seconds: Math.round((performance.now() - startedMs) / 1000),
      worstMs: Math.round(contract.worstMs),
      wrongStretches: contract.stretchesMs.filter((ms) => ms > 1000).length,
      naiveWorstMs: Math.round(naive.worstMs),
    };
  }

  async #fault(fault: FaultName, { broker, link, agent, twin }: Players): Promise<void> {
    switch (fault) {
      case 'kill':
        await agent.kill9();
        await pause(this.#random.between(0, 2500));
        break;
      case 'term':
        await agent.term();
        break;
      case 'cut':
        link.cut();
        return;
      case 'broker term':
        await broker.restart('term');
        return;
      case 'broker kill':
        await broker.restart('kill');
        return;
      case 'takeover':
        twin.start();
        await twin.child.line(/broker connected/, DEADLINE_MS);
        await pause(this.#random.between(500, 2000));
        await twin.kill9();
        // The one that was thrown out waits half a minute and more; a start ends that.
        await agent.kill9();
        break;
      case 'both die':
        // Nobody is left to publish the will, and what the broker retained says online, once it has saved that.
        await this.#connected();
        await pause(SAVED_MS);
        await Promise.all([agent.kill9(), broker.kill()]);
        await broker.start();
        await pause(VALID_FOR_MS + 3000);
        break;
    }
    agent.start();
  }

  /** A start also ends a back-off that faults in a row have made long. */
  async #ensureRunning({ agent }: Players): Promise<void> {
    await agent.kill9();
    agent.start();
  }

  async #connected(): Promise<void> {
    const { agent } = this.#players ?? {};
    await until(
      () => this.#truth() === 'online' && agent?.child.lines.some((line) => line.includes('broker connected')),
      () => `a connection; agent: ${agent?.child.lastWords()}`,
      DEADLINE_MS,
    );
  }

  #look(): void {
    const atMs = performance.now();
    for (const watch of this.#watches) watch.look(this.#truth(), atMs);
  }

  /** Who is connected by this name, as the broker's log has it since its start. */
  #truth(): 'online' | 'offline' {
    const broker = this.#players?.broker;
    if (broker?.running !== true) return 'offline';
    let connected = false;
    for (const line of broker.log) {
      if (line.includes(` as ${DEVICE} (`)) connected = true;
      else if (line.includes(`Client ${DEVICE} `) && !line.includes('already connected')) connected = false;
    }
    return connected ? 'online' : 'offline';
  }

  async #setUp(): Promise<Players> {
    const directory = await makeTemporaryDirectory('presence');
    this.#undo.add(() => directory.remove());
    const broker = new Mosquitto({ directory: join(directory.path, 'broker') });
    this.#undo.add(() => broker.kill());
    await broker.start();
    const link = new LinkProxy({ target: broker.port, oneWayDelayMs: 2 });
    this.#undo.add(() => link.stop());
    await link.start();
    await this.#readStatuses(broker);
    const agent = await this.#makeAgent(directory.path, 'first', link.port);
    const twin = await this.#makeAgent(directory.path, 'twin', broker.port);
    return { broker, link, agent, twin };
  }

  async #makeAgent(home: string, name: string, brokerPort: number): Promise<AgentProcess> {
    const directory = join(home, name);
    await mkdir(directory);
    const line = await openSerialServer({ opened: () => undefined, bytes: () => undefined });
    this.#undo.add(() => line.close());
    const config = join(directory, 'device.json');
    const options = {
      device: DEVICE,
      brokerPort,
      protocol: 5,
      ledgerDirectory: join(directory, 'ledger'),
      line: line.port,
    };
    await writeDeviceFile(config, { ...options, protocol: 5 });
    const document = JSON.parse(await readFile(config, 'utf8')) as { broker: object };
    const broker = { ...document.broker, heartbeat: `${HEARTBEAT_S}s`, willDelay: '1s' };
    await writeFile(config, JSON.stringify({ ...document, broker }));
    const agent = new AgentProcess({ program: this.#options.program, config });
    this.#undo.add(() => agent.kill9());
    return agent;
  }

  async #readStatuses(broker: Mosquitto): Promise<void> {
    const client = new MqttClient(() => connectTcp({ port: broker.port, host: '127.0.0.1' }), {
      clientId: 'reader',
      protocolVersion: 5,
      reconnectPeriod: 20,
      connectTimeout: 2000,
    });
    client.on('error', () => undefined);
    client.on('message', (_topic, payload, packet) => {
      this.#statuses += 1;
      const message = JSON.parse(payload.toString('utf8')) as StatusMessage;
      for (const { reader } of this.#watches) reader.take(message, packet.retain, performance.now());
    });
    this.#undo.add(() => client.endAsync(true));
    await client.subscribeAsync(`fp/v1/${DEVICE}/up/status`, { qos: 1 });
  }
}
