/**
 * Figures of the status that take a look at the disk: renewed every ten seconds in the background, so that the status
 * itself never waits. What was written is kept hourly in a small document, over restarts.
 */
import { reasonOf } from '../fault.ts';
import type { Clock, Log, StateDocument, StateStore, Timer } from '../ports.ts';
import { withHour, type WrittenHours, writtenInDay } from './written.ts';

const LOOK_MS = 10_000;
const HOUR_MS = 3_600_000;

/** What is counted over restarts. */
export interface Counters {
  readonly starts: number;
  readonly written: WrittenHours;
}

export interface SlowFiguresOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly state: StateStore;
  /** Age of the oldest event that is not handed over, milliseconds; undefined: there is none. */
  readonly oldestUnsentMs: () => Promise<number | undefined>;
  readonly freeBytes: () => Promise<number>;
  /** Bytes that this process has written since it started; undefined where the system does not tell. */
  readonly writtenBytes: () => number | undefined;
}

export class SlowFigures {
  readonly #options: SlowFiguresOptions;
  #document: StateDocument<Counters> | undefined;
  #stateFails = false;
  #look: Timer | undefined;
  #hourMs = 0;
  #hourFrom = 0;
  /** When the oldest event came in that is not handed over, monotonic. */
  #oldestMs: number | undefined;
  freeBytes: number | undefined;

  constructor(options: SlowFiguresOptions) {
    this.#options = options;
  }

  get starts(): number {
    return this.#document?.value.starts ?? 0;
  }

  /** Age of the oldest event that is not handed over, milliseconds; undefined: there is none. */
  get oldestUnsentMs(): number | undefined {
    return this.#oldestMs === undefined ? undefined : this.#options.clock.monotonicMs() - this.#oldestMs;
  }

  /** Small documents can not be written. */
  get stateFails(): boolean {
    return this.#stateFails;
  }

  get writtenBytesDay(): number | undefined {
    const written = this.#options.writtenBytes();
    if (written === undefined || this.#document === undefined) return undefined;
    return writtenInDay(this.#document.value.written, written - this.#hourFrom);
  }

  /** Resolves when the counters are read. */
  async start(): Promise<void> {
    const { clock, state } = this.#options;
    const document = await state.open('counters', parseCounters, { starts: 0, written: [] });
    this.#document = document;
    this.#hourMs = clock.monotonicMs();
    await this.#keep({ ...document.value, starts: document.value.starts + 1 });
    this.#renew();
  }

  async stop(): Promise<void> {
    this.#look?.cancel();
    await this.#endHour();
  }

  #renew(): void {
    const { clock, log, oldestUnsentMs, freeBytes } = this.#options;
    const hourIsOver = clock.monotonicMs() - this.#hourMs >= HOUR_MS;
    void Promise.all([oldestUnsentMs(), freeBytes(), hourIsOver ? this.#endHour() : undefined])
      .then(([oldest, free]) => {
        this.#oldestMs = oldest === undefined ? undefined : clock.monotonicMs() - oldest;
        this.freeBytes = free;
      })
      .catch((error: unknown) => log.warn('status: the disk gives no figures', { reason: reasonOf(error) }));
    this.#look = clock.after(LOOK_MS, () => this.#renew());
  }

  async #endHour(): Promise<void> {
    const document = this.#document;
    const written = this.#options.writtenBytes();
    if (document === undefined) return;
    this.#hourMs = this.#options.clock.monotonicMs();
    if (written === undefined) return;
    const hour = withHour(document.value.written, written - this.#hourFrom);
    this.#hourFrom = written;
    await this.#keep({ ...document.value, written: hour });
  }

  async #keep(counters: Counters): Promise<void> {
    try {
      await this.#document?.write(counters);
      this.#stateFails = false;
    } catch (error) {
      if (!this.#stateFails) this.#options.log.error(reasonOf(error));
      this.#stateFails = true;
    }
  }
}

function parseCounters(found: unknown): Counters | undefined {
  if (typeof found !== 'object' || found === null) return undefined;
  const { starts, written } = found as Partial<Record<string, unknown>>;
  if (typeof starts !== 'number' || !Array.isArray(written)) return undefined;
  return { starts, written: written.filter((bytes): bytes is number => typeof bytes === 'number') };
}
