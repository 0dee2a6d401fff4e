/** What happens during the demo, as it happens: the figures that the view shows and the log of faults. */
import type { AgentProcess } from '../workbench/agent-process.ts';
import type { Consumer } from '../workbench/consumer.ts';
import type { FuelPump } from '../workbench/fuel-pump.ts';
import type { LinkProxy } from '../workbench/link-proxy.ts';
import type { Audit } from './audit.ts';

/** Newest faults kept for the view. */
const FAULTS_MAX = 6;

export interface Players {
  readonly pump: FuelPump;
  readonly agent: AgentProcess;
  readonly link: LinkProxy;
  readonly consumer: Consumer;
  readonly audit: Audit;
}

export interface Fault {
  readonly atMs: number;
  readonly text: string;
}

export class Tally {
  readonly players: Players;
  readonly #startedMs: number;
  readonly #faults: Fault[] = [];
  #kills = 0;
  #brokerKills = 0;
  #cuts = 0;
  #stage = 'starting';

  constructor(players: Players, startedMs: number) {
    this.players = players;
    this.#startedMs = startedMs;
  }

  get kills(): number {
    return this.#kills;
  }

  get brokerKills(): number {
    return this.#brokerKills;
  }

  get cuts(): number {
    return this.#cuts;
  }

  get faults(): readonly Fault[] {
    return this.#faults;
  }

  /** What is going on now, in words. */
  get stage(): string {
    return this.#stage;
  }

  enter(stage: string): void {
    this.#stage = stage;
  }

  ageMs(nowMs: number): number {
    return nowMs - this.#startedMs;
  }

  killed(nowMs: number, pid: number | undefined): void {
    this.#kills += 1;
    this.#note(nowMs, `SIGKILL to the agent (process ${pid ?? '?'}); started again`);
  }

  brokerKilled(nowMs: number): void {
    this.#brokerKills += 1;
    this.#note(nowMs, 'SIGKILL to the broker; started again');
  }

  cut(nowMs: number, hit: number): void {
    this.#cuts += 1;
    this.#note(nowMs, hit > 0 ? 'link cut' : 'link cut, while nobody was connected');
  }

  #note(nowMs: number, text: string): void {
    this.#faults.push({ atMs: this.ageMs(nowMs), text });
    if (this.#faults.length > FAULTS_MAX) this.#faults.shift();
  }
}
