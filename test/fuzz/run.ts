/**
 * The fuzz run: case after case one packet of a connection is mutated, then the connection is cut if it still stands. Now
 * and then comes a calm stretch, in which everything sold so far must arrive. The agent must never end, hang or grow, and
 * the bill must be right.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../../src/workbench/random.ts';
import { Undo } from '../../src/workbench/undo.ts';
import { until } from '../../src/workbench/wait.ts';
import { MUTATIONS } from './mutate.ts';
import { type Bill, type FuzzStage, ROOT, setFuzzStage, type StageOptions, tail } from './stage.ts';

/** Cases between calm stretches. */
const CALM_EVERY = 100;
/** The agent answers, or ends the connection, long before this; then the broker cuts. */
const REACTION_MS = 15;
/** A try whose packet is not said by then is over, and is no case: not every kind comes on every connection. */
const SAID_MS = 80;
/** Tries for a case. */
const TRIES_MAX = 10;
const PATIENCE_MS = 30_000;
/** Words of a program that did what its author did not foresee, in a line that it logged itself. */
const BUG =
  /\b(?:TypeError|RangeError|ReferenceError|AssertionError|Unhandled|Cannot read|is not a function|undefined)\b/;

/** Kinds of packet, and how many of them a connection sees for sure; `any` counts them all. */
const KINDS: readonly (readonly [string, number])[] = [
  ['connack', 1],
  ['unsuback', 8],
  ['suback', 1],
  ['puback', 4],
  ['pubrec', 2],
  ['pubcomp', 2],
  ['publish', 1],
  ['any', 20],
];

export interface FuzzOptions extends StageOptions {
  readonly cases: number;
  readonly random: Random;
  /** Only these mutations, and this kind of packet; default: all. */
  readonly only?: { readonly mutation: string; readonly kind: string };
  /** No new connection for so long is a hang. */
  readonly patienceMs?: number;
  readonly progress?: (at: number) => void;
}

export interface FuzzResult {
  readonly cases: number;
  /** By mutation. */
  readonly applied: Readonly<Record<string, number>>;
  readonly connections: number;
  readonly bill: Bill;
  /** Of the agent, MiB: after the first calm stretch, the most at any, and at the last. */
  readonly rss: { readonly first: number; readonly most: number; readonly last: number };
  /** Longest time from the end of a connection to the next CONNECT. */
  readonly slowestReconnectMs: number;
  /** Lines of the agent that look like a fault of its program. */
  readonly suspects: readonly string[];
  readonly seconds: number;
  /** What ended the run before its time: the agent ended, hung, or something never arrived. */
  readonly broken: string | undefined;
}

export async function runFuzz(options: FuzzOptions): Promise<FuzzResult> {
  const undo = new Undo();
  try {
    const stage = await setFuzzStage(undo, options);
    return await new FuzzRun(stage, options).run();
  } finally {
    await undo.run();
  }
}

class FuzzRun {
  readonly #stage: FuzzStage;
  readonly #options: FuzzOptions;
  readonly #applied: Record<string, number> = {};
  readonly #rss: number[] = [];
  readonly #suspects = new Set<string>();
  #slowestMs = 0;
  #done = 0;
  #tries = 0;

  constructor(stage: FuzzStage, options: FuzzOptions) {
    this.#stage = stage;
    this.#options = options;
  }

  async run(): Promise<FuzzResult> {
    const startedMs = performance.now();
    const { agent, broker, bill } = this.#stage;
    const { cases, progress } = this.#options;
    agent.start();
    let broken: string | undefined;
    try {
      await this.#calm();
      while (this.#done < cases) {
        if (this.#tries >= cases * TRIES_MAX) throw new Error('the packets to mutate do not come');
        const said = await this.#case();
        if (said) this.#done += 1;
        if (this.#tries % CALM_EVERY === 0) await this.#calm();
        if (said) progress?.(this.#done);
      }
      await this.#calm();
    } catch (error) {
      broken = `case ${this.#done + 1}: ${error instanceof Error ? error.message : String(error)}`;
    }
    const [first = 0] = this.#rss;
    return {
      cases: this.#done,
      applied: this.#applied,
      connections: broker.connections,
      bill: bill(),
      rss: { first, most: Math.max(...this.#rss), last: this.#rss.at(-1) ?? 0 },
      slowestReconnectMs: Math.round(this.#slowestMs),
      suspects: [...this.#suspects],
      seconds: Math.round((performance.now() - startedMs) / 1000),
      broken,
    };
  }

  /** False: the packet to mutate did not come on this connection. */
  async #case(): Promise<boolean> {
    const { broker, sell } = this.#stage;
    const { random, only, protocol } = this.#options;
    const [kind, count] = KINDS.find(([of]) => of === only?.kind) ?? one(KINDS, random);
    const names = Object.keys(MUTATIONS);
    const name = only?.mutation ?? one(names, random);
    let left = random.whole(0, count - 1);
    let before: Buffer = Buffer.alloc(0);
    let said = false;
    broker.script.mutate = (of, packet) => {
      const last = before;
      before = packet;
      if (said || (kind !== 'any' && of !== kind) || left-- > 0) return undefined;
      said = true;
      this.#applied[name] = (this.#applied[name] ?? 0) + 1;
      return MUTATIONS[name]?.(packet, random, { before: last, five: protocol === 5, root: ROOT });
    };
    await this.#connected();
    this.#tries += 1;
    sell(random.whole(1, 3));
    broker.say(`${ROOT}/down/command/ping/${this.#tries}`, Buffer.from('{}'));
    const untilMs = performance.now() + SAID_MS;
    while (!said && performance.now() < untilMs && broker.clients.length > 0) await pause(1);
    if (said) await pause(REACTION_MS);
    broker.cut(random.unit() < 0.5 ? 'end' : 'reset');
    return said;
  }

  /** The next connection is there, whether CONNACK has left or not. */
  async #connected(): Promise<void> {
    const { broker } = this.#stage;
    const seen = broker.connects.length;
    const fromMs = performance.now();
    await this.#waitFor(() => broker.connects.length > seen || broker.clients.length > 0, 'the next CONNECT');
    this.#slowestMs = Math.max(this.#slowestMs, performance.now() - fromMs);
  }

  async #calm(): Promise<void> {
    const { broker, agent, sell, settled } = this.#stage;
    delete broker.script.mutate;
    await this.#waitFor(() => broker.clients.length > 0, 'a connection in calm');
    // What a mutated PUBREC made a dead letter is tried again, as an operator would.
    broker.say(`${ROOT}/down/command/events.retry/calm-${this.#tries}`, Buffer.from('{}'));
    sell(2);
    await settled();
    this.#rss.push(rssMib(agent.child.pid ?? 0));
    for (const line of agent.child.lines) if (BUG.test(line)) this.#suspects.add(line);
  }

  async #waitFor(predicate: () => boolean, what: string): Promise<void> {
    const { agent } = this.#stage;
    await until(
      () => {
        if (agent.child.ended !== undefined) throw new Error(`the agent ended by itself\n${tail(agent)}`);
        return predicate();
      },
      () => `${what}: the agent hangs\n${tail(agent)}`,
      this.#options.patienceMs ?? PATIENCE_MS,
    );
  }
}

function one<Item>(items: readonly Item[], random: Random): Item {
  return items[random.whole(0, items.length - 1)] as Item;
}

function rssMib(pid: number): number {
  const found = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(found) / 102.4) / 10;
}
