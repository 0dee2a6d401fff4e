/**
 * One crash run: the agent is killed with SIGKILL again and again at random moments, its link is cut, the broker goes down.
 * After the last kill the agent runs on without faults until all that is accepted has arrived, or a deadline; then it is
 * billed.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Bill } from '../../src/demo/audit.ts';
import { Undo } from '../../src/workbench/undo.ts';
import { type BrokerFaults, type LifePlan, planLives } from './plan.ts';
import { Scene, type SceneOptions } from './scene.ts';

export interface CrashOptions extends Omit<SceneOptions, 'watch'> {
  readonly runs: number;
  readonly brokerFaults: BrokerFaults;
  /** The consumer is offline while there are faults. Default: false. */
  readonly offline?: boolean;
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
    return await new CrashRun(options, await Scene.set(options, undo)).run();
  } finally {
    await undo.run();
  }
}

class CrashRun {
  readonly #options: CrashOptions;
  readonly #scene: Scene;
  #kills = 0;
  #busyKills = 0;
  #cuts = 0;
  #brokerFaults = 0;

  constructor(options: CrashOptions, scene: Scene) {
    this.#options = options;
    this.#scene = scene;
  }

  async run(): Promise<CrashResult> {
    const { runs, brokerFaults, offline = false } = this.#options;
    const { random, pump, agent, consumerLink } = this.#scene.players;
    const plan = planLives(random, runs, brokerFaults);
    this.#scene.startSelling();
    if (offline) {
      consumerLink.refuse();
      consumerLink.cut();
    }
    for (const [at, life] of plan.entries()) {
      await this.#live(life);
      this.#options.progress?.(at + 1, pump.accepted.length);
    }
    if (offline) consumerLink.accept();
    agent.start();
    const stuck = await this.#scene.drain();
    return {
      kills: this.#kills,
      busyKills: this.#busyKills,
      cuts: this.#cuts,
      brokerFaults: this.#brokerFaults,
      bill: this.#scene.bill(),
      stuck,
    };
  }

  /** Starts the agent, lets it live as planned, and kills it. */
  async #live(life: LifePlan): Promise<void> {
    const scene = this.#scene;
    const { agent, link, mosquitto } = scene.players;
    const before = scene.progress;
    if (life.from === 'connection') await scene.startAgent();
    else agent.start();
    const startedMs = performance.now();
    const at = async (ms: number): Promise<void> => {
      await pause(Math.max(0, startedMs + ms - performance.now()));
    };
    const faults: Promise<unknown>[] = life.cutsAfterMs.map(async (ms) => {
      await at(ms);
      if (link.cut() > 0) this.#cuts += 1;
    });
    if (life.brokerAfterMs !== undefined) {
      faults.push(
        at(life.brokerAfterMs).then(async () => {
          this.#brokerFaults += 1;
          await mosquitto.restart(this.#options.brokerFaults === 'kill' ? 'kill' : 'term');
        }),
      );
    }
    await at(life.killAfterMs);
    scene.mustLive();
    await agent.kill9();
    this.#kills += 1;
    if (scene.progress > before) this.#busyKills += 1;
    await Promise.all(faults);
  }
}
