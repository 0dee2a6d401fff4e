/**
 * One life of an agent's process with its own connection: ledger on a real disk, sender, receipts, session marks and
 * witnesses as the agent puts them together, on the model broker and a clock that is turned by hand.
 */
import assert from 'node:assert/strict';
import { AgentLink } from '../../src/agent-link.ts';
import { topicsOf } from '../../src/broker/topics.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { systemChance } from '../../src/platform/chance.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { Clock, StateStore } from '../../src/ports.ts';
import { base, good } from '../config-rig.ts';
import { openLedger, quietLog } from '../ledger/rig.ts';
import { HandClock } from '../sensor-rig.ts';
import { crashableClock, crashableFiles, turn } from './life.ts';
import type { ModelOpener } from './model-opener.ts';

const STEP_MS = 500;
const TURNS = 3;
/** A disk that takes longer is waited for no more. */
const DISK_MS = 5000;

export interface WholeLifeOptions {
  readonly opener: ModelOpener;
  readonly state: StateStore;
  readonly receipts: boolean;
}

export class WholeLife {
  readonly ledger: Ledger;
  readonly link: AgentLink;
  readonly lines: string[];
  readonly #hand: HandClock;
  readonly #opener: ModelOpener;
  readonly #crash: () => Promise<void>;

  private constructor(
    parts: Pick<WholeLife, 'ledger' | 'link' | 'lines'>,
    hand: HandClock,
    opener: ModelOpener,
    crash: () => Promise<void>,
  ) {
    this.ledger = parts.ledger;
    this.link = parts.link;
    this.lines = parts.lines;
    this.#hand = hand;
    this.#opener = opener;
    this.#crash = crash;
  }

  static async start(directory: string, { opener, state, receipts }: WholeLifeOptions): Promise<WholeLife> {
    const hand = new HandClock();
    const { clock, crash: crashTimers } = crashableClock(turned(hand));
    const { files, crash: crashFiles } = crashableFiles(directory);
    const lines: string[] = [];
    const log = quietLog(lines);
    const ledger = await openLedger(directory, { files, clock, receipts, log });
    const nothing = (): void => undefined;
    const chance = { unit: () => 0, bytes: (count: number) => systemChance.bytes(count) };
    const link = new AgentLink({
      config: good({ ...base(), ledger: { dir: directory, receipts } }),
      ports: { clock, chance, log, state, broker: opener },
      topics: topicsOf('fp/v1', 'pump-42'),
      ledger,
      status: () => ({ degraded: [] }),
      info: () => ({}),
      sensors: () => [],
      onCommand: nothing,
      onSecureLink: nothing,
      onUp: nothing,
      onReady: nothing,
      onDown: nothing,
      onConnection: nothing,
      held: () => undefined,
      onChange: nothing,
    });
    await link.receipts.start();
    link.connection.start();
    return new WholeLife({ ledger, link, lines }, hand, opener, async () => {
      opener.abandon();
      crashTimers();
      await crashFiles();
    });
  }

  /** Until the disk has written what waits for it, and what follows from that has happened. */
  async idle(): Promise<void> {
    for (let rounds = 0; rounds < TURNS; rounds += 1) {
      const deadline = performance.now() + DISK_MS;
      while (this.ledger.work.mark !== undefined && performance.now() < deadline) await turn();
      await turn();
    }
  }

  /** Time passes, slowly enough for the disk; what falls due in it happens. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      this.#hand.pass(Math.min(STEP_MS, ms - passed));
      await this.idle();
    }
  }

  /** Until `done`, minutes of its clock at most. */
  async until(done: () => boolean, what: () => string, step: () => void = () => undefined): Promise<void> {
    const deadline = performance.now() + 60_000;
    for (let steps = 0; !done(); steps += 1) {
      assert.ok(steps < 2000 && performance.now() < deadline, `waited in vain for ${what()}\n${this.lines.join('\n')}`);
      step();
      await this.pass(STEP_MS);
    }
  }

  /** As after kill -9: nothing is finished; only what the kernel has survives. */
  crash(): Promise<void> {
    return this.#crash();
  }

  async close(): Promise<void> {
    await this.link.connection.stop();
    this.link.sender.stop();
    this.#opener.cut();
    await this.ledger.close();
  }
}

/** What is due at once does not wait for the hand. */
function turned(hand: HandClock): Clock {
  return {
    wallMs: () => hand.wallMs(),
    monotonicMs: () => hand.monotonicMs(),
    quality: () => hand.quality(),
    after: (ms, run) => hand.after(ms, run),
    soon: (run) => systemClock.soon(run),
  };
}
