/**
 * One measurement of a client: a warm-up, then events until their number or the time is reached. Each client keeps W
 * events under way and reports how many are complete.
 */
import { type OwnFigures, startFigures } from '../rig/own-figures.ts';

export interface Load {
  readonly url: string;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string } | undefined;
  readonly window: number;
  /** Bytes of the payload, for a client whose payload is given. */
  readonly bytes: number;
  readonly warmUp: number;
  readonly events: number;
  /** Bound of the warm-up and of what is measured. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** A process of one thread whose processor time and memory are reported in place of the worker's own. */
  readonly watched?: number;
}

/** What one run of one client says. NaN does not survive JSON: what is not measured is left out. */
export interface Outcome {
  readonly events: number;
  readonly seconds: number;
  readonly cpuUs: number;
  readonly rssMib: number;
  readonly delayP99Ms?: number;
  readonly eventBytes: number;
  /** One synced write, milliseconds on average, for a client that has such. */
  readonly syncMs?: number;
}

export class ClosedLoop {
  readonly #load: Load;
  readonly #startedMs = performance.now();
  #completed = 0;
  #measuredFrom = 0;
  #measuredFromMs = 0;
  #end: (() => OwnFigures) | undefined;
  readonly #done: (outcome: Omit<Outcome, 'eventBytes'>) => void;
  readonly outcome: Promise<Omit<Outcome, 'eventBytes'>>;

  constructor(load: Load) {
    this.#load = load;
    let done: (outcome: Omit<Outcome, 'eventBytes'>) => void = () => undefined;
    this.outcome = new Promise((resolve) => {
      done = resolve;
    });
    this.#done = done;
  }

  /** So many are complete since the beginning. */
  completed(count: number): void {
    this.#completed = count;
    const { warmUp, warmUpSeconds, events, seconds } = this.#load;
    const nowMs = performance.now();
    if (this.#end === undefined) {
      if (count < warmUp && nowMs - this.#startedMs < warmUpSeconds * 1000) return;
      this.#measuredFrom = count;
      this.#measuredFromMs = nowMs;
      this.#end = startFigures(this.#load.watched);
      return;
    }
    if (count - this.#measuredFrom < events && nowMs - this.#measuredFromMs < seconds * 1000) return;
    const figures = this.#end();
    this.#done({
      events: this.#completed - this.#measuredFrom,
      seconds: figures.seconds,
      cpuUs: figures.cpuUs,
      rssMib: figures.peakRssMib,
      ...(this.#load.watched === undefined ? { delayP99Ms: figures.delayP99Ms } : {}),
    });
  }
}

/** What a worker prints last; then it ends as it is, with events still under way. */
export function tell(outcome: Outcome): void {
  process.stdout.write(`${JSON.stringify(outcome)}\n`, () => process.exit());
}
