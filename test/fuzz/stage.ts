/**
 * The stage of the fuzz run: the built agent as its own process, a meter that sells, the scripted broker, and a consumer
 * with receipts inside it. Nothing here knows of mutations; it sells, answers with receipts, and judges.
 */
import { cp, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AgentProcess } from '../../src/workbench/agent-process.ts';
import { Deliveries, type ReceivedEvent } from '../../src/workbench/deliveries.ts';
import { writeDeviceFile } from '../../src/workbench/device-file.ts';
import { ReceiptBook } from '../../src/workbench/receipt-book.ts';
import { openSerialServer } from '../../src/workbench/serial-server.ts';
import { makeTemporaryDirectory } from '../../src/workbench/temp.ts';
import type { Undo } from '../../src/workbench/undo.ts';
import { until } from '../../src/workbench/wait.ts';
import { ScriptedBroker } from '../scripted-broker/broker.ts';
import { MOSQUITTO_2_0_20 } from '../scripted-broker/profiles.ts';

export const ROOT = 'fp/v1/pump-42';
const FAST_CLOCK = fileURLToPath(new URL('../scripted-broker/fast-clock.mjs', import.meta.url));
/** As systemd/fieldpost.service starts it: what leaks ends the process, where V8 would else let it grow for a while. */
const HEAP = ['--max-semi-space-size=1', '--max-old-space-size=64'];
const SPEED = 20;
const RECEIPT_EVERY_MS = 20;
const DEADLINE_MS = 60_000;
const REPEATS_MAX = 200;
/** Longest waits between attempts, in the built file's own words: ten minutes of them would make a run of days. */
const PACES = /\b(NORMAL|SLOW|SUSPECT|YIELD|FORBIDDEN_BACKOFF|LATER_BACKOFF) = \{ firstMs: [\de]+, maxMs: [\de]+/g;
const PACES_THERE = 6;

/** A change of the built file, for a control: `find` must be there once. */
export interface Plant {
  readonly find: string;
  readonly put: string;
}

export interface FuzzStage {
  readonly broker: ScriptedBroker;
  readonly agent: AgentProcess;
  readonly sell: (count: number) => void;
  /** What has no answer is said again, as a meter does. */
  readonly repeat: () => void;
  /** Every sale that was made is answered, settled, and with the consumer. */
  readonly settled: () => Promise<void>;
  readonly bill: () => Bill;
}

export interface Bill {
  readonly sold: number;
  /** Answered by the agent, and never with the consumer. */
  readonly lost: readonly number[];
  /** With the consumer under two identities. */
  readonly doubled: readonly number[];
  readonly forks: number;
  /** The same identity and bytes again: a broker that lies about what it has makes them. */
  readonly repeats: number;
  readonly epochs: number;
}

export interface StageOptions {
  readonly protocol: 4 | 5;
  readonly program: readonly [string, string];
  readonly plant?: Plant;
}

/** The built program with its waits made short, and what a control plants. */
async function changedProgram(undo: Undo, { program, plant }: StageOptions): Promise<[string, ...string[]]> {
  const directory = await makeTemporaryDirectory('fuzz-program');
  undo.add(directory.remove);
  const [node, built] = program;
  await cp(dirname(built), directory.path, { recursive: true });
  const file = join(directory.path, 'fieldpost.mjs');
  let text = await readFile(file, 'utf8');
  const paces = [...text.matchAll(PACES)].length;
  if (paces !== PACES_THERE) throw new Error(`the built file holds ${paces} paces, not ${PACES_THERE}`);
  text = text.replaceAll(PACES, '$1 = { firstMs: 100, maxMs: 100');
  if (plant !== undefined) {
    if (text.split(plant.find).length !== 2) throw new Error(`the built file does not hold "${plant.find}" once`);
    text = text.replace(plant.find, () => plant.put);
  }
  await writeFile(file, text);
  return [node, ...HEAP, '--import', FAST_CLOCK, file];
}

export async function setFuzzStage(undo: Undo, options: StageOptions): Promise<FuzzStage> {
  const directory = await makeTemporaryDirectory('fuzz');
  undo.add(directory.remove);
  const broker = new ScriptedBroker(MOSQUITTO_2_0_20);
  await broker.start();
  undo.add(() => broker.stop());
  const answered = new Set<number>();
  let rest = '';
  const line = await openSerialServer({
    opened: () => undefined,
    bytes: (bytes) => {
      const lines = (rest + bytes.toString('latin1')).split('\n');
      rest = lines.pop() ?? '';
      for (const said of lines) answered.add(Number(/^ACK a1 (\d+)$/.exec(said)?.[1] ?? 0));
    },
  });
  undo.add(() => line.close());
  const config = await writeConfig(
    join(directory.path, 'device.json'),
    directory.path,
    broker.port,
    line.port,
    options,
  );
  const agent = new AgentProcess({
    program: await changedProgram(undo, options),
    config,
    env: {
      FIELDPOST_TEST_SPEED: String(SPEED),
      FIELDPOST_TEST_LUCK: '0.2',
      RUNTIME_DIRECTORY: join(directory.path, 'status'),
    },
  });
  undo.add(() => agent.kill9());
  const consumer = new Consumer(broker);
  const beat = setInterval(() => consumer.work(), RECEIPT_EVERY_MS);
  undo.add(() => clearInterval(beat));
  let sold = 0;
  const sell = (count: number): void => {
    const sales = Array.from({ length: count }, (_, at) => saleLine(sold + 1 + at)).join('');
    // Where the line is not there yet the sale was not made.
    if (line.write(sales)) sold += count;
  };
  return {
    broker,
    agent,
    sell,
    repeat: () => {
      const open: number[] = [];
      for (let sale = 1; sale <= sold && open.length < REPEATS_MAX; sale += 1) if (!answered.has(sale)) open.push(sale);
      if (open.length > 0) line.write(open.map(saleLine).join(''));
    },
    settled: async () => {
      await until(
        () => answered.size >= sold,
        () => `the answers to ${sold} sales, got ${answered.size}\n${tail(agent)}`,
        DEADLINE_MS,
      );
      await until(
        () => {
          if (agent.child.ended !== undefined) throw new Error(`the agent ended\n${tail(agent)}`);
          return consumer.bill(sold).lost.length === 0 && consumer.unsettled === 0;
        },
        () => `all settled: ${consumer.unsettled} are not, ${consumer.bill(sold).lost.length} missing\n${tail(agent)}`,
        DEADLINE_MS,
      );
    },
    bill: () => consumer.bill(sold),
  };
}

/** Takes each event once, by identity and hash, and says what it has by receipts. Its clock runs as fast as the agent's. */
class Consumer {
  readonly #broker: ScriptedBroker;
  readonly #book = new ReceiptBook();
  readonly #deliveries = new Deliveries();
  /** Identities under which each sale came. */
  readonly #sales = new Map<number, Set<string>>();
  readonly #epochs = new Set<string>();
  #connections = 0;
  unsettled = Number.POSITIVE_INFINITY;

  constructor(broker: ScriptedBroker) {
    this.#broker = broker;
  }

  work(): void {
    const nowMs = performance.now() * SPEED;
    for (const { topic, payload } of this.#broker.onward.splice(0)) {
      if (topic === `${ROOT}/up/status`) this.#status(payload, nowMs);
      if (topic.startsWith(`${ROOT}/up/event/`)) this.#event(payload, nowMs);
    }
    if (this.#broker.connections !== this.#connections) {
      this.#connections = this.#broker.connections;
      this.#book.connected();
    }
    const receipt = this.#book.next(nowMs);
    if (receipt !== undefined) this.#broker.say(`${ROOT}/down/receipt`, Buffer.from(receipt), true);
  }

  bill(sold: number): Bill {
    const { repeats, forks } = this.#deliveries.figures;
    const all = Array.from({ length: sold }, (_, at) => at + 1);
    const lost = all.filter((sale) => !this.#sales.has(sale));
    const doubled = all.filter((sale) => (this.#sales.get(sale)?.size ?? 0) > 1);
    return { sold, lost, doubled, repeats, forks, epochs: this.#epochs.size };
  }

  #status(payload: Buffer, nowMs: number): void {
    const { ledger } = JSON.parse(payload.toString('utf8')) as {
      readonly ledger?: { readonly epoch: string; readonly last: number; readonly unsettled: number };
    };
    if (ledger === undefined) return;
    this.unsettled = ledger.unsettled;
    this.#book.status(ledger.epoch, ledger.last, nowMs);
  }

  #event(payload: Buffer, nowMs: number): void {
    const { verdict, event, hash } = this.#deliveries.take(payload);
    if (event === undefined || hash === undefined) return;
    this.#epochs.add(event.epoch);
    const sale = saleOf(event);
    if (sale !== undefined) {
      const identities = this.#sales.get(sale) ?? new Set<string>();
      this.#sales.set(sale, identities.add(`${event.epoch} ${event.seq}`));
    }
    if (verdict === 'new') this.#book.take(event, hash, nowMs);
  }
}

function saleOf({ source, stream }: ReceivedEvent): number | undefined {
  return source === undefined || stream !== 'sale' ? undefined : Number(source.seq);
}

function saleLine(seq: number): string {
  return `${JSON.stringify({ k: 'sale', boot: 'a1', seq, ml: seq, cents: seq })}\n`;
}

async function writeConfig(
  path: string,
  directory: string,
  brokerPort: number,
  line: Parameters<typeof writeDeviceFile>[1]['line'],
  { protocol }: StageOptions,
): Promise<string> {
  const ledgerDirectory = join(directory, 'ledger');
  await writeDeviceFile(path, { device: 'pump-42', brokerPort, protocol, ledgerDirectory, line, receipts: true });
  const document = JSON.parse(await readFile(path, 'utf8')) as { readonly broker: object };
  const broker = { ...document.broker, keepAlive: '1h', connectTimeout: '1m', heartbeat: '10s' };
  const commands = { 'events.retry': 'on' };
  await writeFile(path, JSON.stringify({ ...document, broker, commands, log: { level: 'debug' } }));
  return path;
}

export function tail(agent: AgentProcess): string {
  return agent.child.lines.slice(-25).join('\n');
}
