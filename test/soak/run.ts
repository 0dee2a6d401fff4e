/**
 * One soak: the agent at work under load and faults for some minutes, in one life, while the kernel is asked every second
 * what the process takes. Before and after, at rest and with everything delivered, its open descriptors are counted; in
 * the end it is billed.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Bill } from '../../src/demo/audit.ts';
import { endText } from '../../src/workbench/child.ts';
import { seededRandom } from '../../src/workbench/random.ts';
import { Undo } from '../../src/workbench/undo.ts';
import { until } from '../../src/workbench/wait.ts';
import { descriptorsAtRest, type ProcessFigures, processFigures } from './figures.ts';
import { FAULTS, type FaultName, planSoak } from './plan.ts';
import { setStage, type Stage } from './stage.ts';

const SAMPLE_MS = 1000;
const CONNECT_DEADLINE_MS = 30_000;
/** A back-off may have grown, and a backlog waits. */
const DRAIN_DEADLINE_MS = 120_000;
/** Sold before the first faults, and those before the soak begins: what is opened at the first use for good, is open. */
const FIRST_SALES = 100;
const FIRST_FAULTS = ['unplug', 'replug', 'cut'] as const;

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly salesPerSecond: number;
  /** The built agent. */
  readonly file: string;
  /** Further flags of node: how a leak is planted. */
  readonly flags?: readonly string[];
  readonly progress?: (sample: Sample, minutes: number) => void;
}

export interface Sample extends ProcessFigures {
  readonly ms: number;
  /** Sales accepted so far. */
  readonly accepted: number;
  /** Of them, those that the consumer has. */
  readonly received: number;
}

export interface SoakResult {
  readonly seconds: number;
  readonly samples: readonly Sample[];
  /** What the descriptors led to, before and after. */
  readonly descriptors: { readonly before: readonly string[]; readonly after: readonly string[] };
  readonly faults: Readonly<Record<FaultName, number>>;
  readonly telemetry: number;
  readonly commands: { readonly asked: number; readonly answers: Readonly<Record<string, number>> };
  readonly logLines: number;
  /** How often systemd's watchdog would have ended the agent. */
  readonly watchdog: number;
  readonly bill: Bill;
}

export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const undo = new Undo();
  try {
    const random = seededRandom(options.seed);
    const stage = await setStage(random, options.file, options.flags ?? [], undo);
    const plan = planSoak(random, options.minutes);
    return await new SoakRun(options, stage, undo).run(plan);
  } finally {
    await undo.run();
  }
}

class SoakRun {
  readonly #options: SoakOptions;
  readonly #stage: Stage;
  readonly #undo: Undo;
  readonly #samples: Sample[] = [];
  readonly #faults = Object.fromEntries(FAULTS.map((name) => [name, 0])) as Record<FaultName, number>;

  constructor(options: SoakOptions, stage: Stage, undo: Undo) {
    this.#options = options;
    this.#stage = stage;
    this.#undo = undo;
  }

  async run(plan: ReturnType<typeof planSoak>): Promise<SoakResult> {
    const { minutes, salesPerSecond } = this.#options;
    const { agent, pumpLine, audit, consumer, operator, supervisor } = this.#stage;
    agent.start();
    pumpLine.sell(salesPerSecond);
    await this.#until(() => audit.received >= FIRST_SALES, 'the first sales', CONNECT_DEADLINE_MS);
    for (const name of FIRST_FAULTS) await this.#do(name);
    const before = await this.#rest();
    const pid = this.#pid();
    const startedMs = performance.now();
    pumpLine.sell(salesPerSecond);
    const sampling = setInterval(() => this.#sample(pid, performance.now() - startedMs), this.#sampleMs());
    this.#undo.add(() => clearInterval(sampling));
    for (const { name, atMs } of plan) {
      await pause(Math.max(0, startedMs + atMs - performance.now()));
      this.#mustLive();
      await this.#do(name);
    }
    await pause(Math.max(0, startedMs + minutes * 60_000 - performance.now()));
    clearInterval(sampling);
    operator.stop();
    const seconds = (performance.now() - startedMs) / 1000;
    const after = await this.#rest();
    if (this.#pid() !== pid) throw new Error('the agent is another process than at first');
    return {
      seconds,
      samples: this.#samples,
      descriptors: { before, after },
      faults: this.#faults,
      telemetry: consumer.telemetry,
      commands: { asked: operator.asked, answers: operator.answers },
      logLines: operator.logLines,
      watchdog: supervisor.outLines.filter((word) => word === 'silent').length,
      bill: audit.settle(pumpLine.pump.sales, pumpLine.pump.accepted, {
        ...consumer.deliveries.figures,
        askedRepeats: consumer.askedRepeats,
      }),
    };
  }

  /** Stops selling, and counts the descriptors once everything has come home and both lines are held. */
  async #rest(): Promise<readonly string[]> {
    const { pumpLine, audit, consumer, link, noise } = this.#stage;
    const { pump } = pumpLine;
    pumpLine.sell(0);
    // One more, so that its coming home shows the tty and the connection to be there again, whatever was pulled last.
    pump.sell(performance.now());
    await this.#until(
      () =>
        pump.waiting === 0 &&
        audit.received >= pump.accepted.length &&
        consumer.deliveries.figures.gaps === 0 &&
        link.open === 1 &&
        noise.held(),
      () => `${pump.waiting} sales to be accepted, ${pump.accepted.length - audit.received} to arrive`,
      DRAIN_DEADLINE_MS,
    );
    return descriptorsAtRest(this.#pid());
  }

  async #do(name: FaultName): Promise<void> {
    const { broker, link, noise, pumpLine } = this.#stage;
    if (name === 'unplug' && pumpLine.unplug === undefined) return;
    this.#faults[name] += 1;
    if (name === 'cut') link.reset();
    else if (name === 'replug') noise.replug();
    else if (name === 'unplug') await pumpLine.unplug?.();
    else await broker.restart('term');
  }

  #sample(pid: number, ms: number): void {
    const { audit, pumpLine } = this.#stage;
    const sample = { ms, accepted: pumpLine.pump.accepted.length, received: audit.received, ...this.#look(pid) };
    this.#samples.push(sample);
    this.#options.progress?.(sample, this.#options.minutes);
  }

  #look(pid: number): ProcessFigures {
    this.#mustLive();
    return processFigures(pid);
  }

  /** Enough samples for a fit also of a short run. */
  #sampleMs(): number {
    return Math.min(SAMPLE_MS, (this.#options.minutes * 60_000) / 60);
  }

  #pid(): number {
    this.#mustLive();
    const { pid } = this.#stage.agent.child;
    if (pid === undefined) throw new Error('the agent was not started');
    return pid;
  }

  #mustLive(): void {
    const { child } = this.#stage.agent;
    if (child.ended !== undefined)
      throw new Error(`the agent ended by itself (${endText(child.ended)}): ${child.lastWords()}`);
  }

  async #until(seen: () => boolean, what: string | (() => string), deadlineMs: number): Promise<void> {
    const { child } = this.#stage.agent;
    await until(
      () => {
        this.#mustLive();
        return seen();
      },
      () => `${typeof what === 'string' ? what : what()}; the agent said: ${child.lastWords()}`,
      deadlineMs,
    );
  }
}
