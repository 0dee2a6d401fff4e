/**
 * What the broker has asked us not to send for now: everything (it is busy, or over a quota), until the link is gone at
 * the latest, or one stream that an access rule forbids, over all links.
 */
import { backoffMs } from '../backoff.ts';
import type { Chance, Clock, Log, Timer } from '../ports.ts';

const LATER_BACKOFF = { firstMs: 1000, maxMs: 60_000 };
/** Waits after a refusal by an access rule, milliseconds. */
const FORBIDDEN_BACKOFF = { firstMs: 60_000, maxMs: 600_000 };

export interface PausesOptions {
  readonly clock: Clock;
  readonly chance: Chance;
  readonly log: Log;
  /** What was passed over is to be sent now. */
  readonly onOver: () => void;
  /** A stream is forbidden, or no longer. */
  readonly onChange?: () => void;
}

export class Pauses {
  readonly #options: PausesOptions;
  #all: Timer | undefined;
  #refusals = 0;
  /** Each until its timer. */
  readonly #streams = new Map<string, Timer>();
  #forbiddances = 0;

  constructor(options: PausesOptions) {
    this.#options = options;
  }

  /** Nothing may leave. */
  get ofAll(): boolean {
    return this.#all !== undefined;
  }

  get streams(): readonly string[] {
    return [...this.#streams.keys()];
  }

  isOf(stream: string): boolean {
    return this.#streams.has(stream);
  }

  /** The broker took an event to its end: the next refusal counts as the first. */
  progress(): void {
    this.#refusals = 0;
  }

  linkGone(): void {
    this.#all?.cancel();
    this.#all = undefined;
  }

  /** Nothing is told, and nothing runs, any more. */
  stop(): void {
    this.linkGone();
    for (const timer of this.#streams.values()) timer.cancel();
    this.#streams.clear();
  }

  pauseAll(code: number): void {
    if (this.#all !== undefined) return;
    const { clock, chance, log, onOver } = this.#options;
    this.#refusals += 1;
    const waitMs = backoffMs(LATER_BACKOFF, this.#refusals, chance);
    log.warn('broker asks to send later', { code, retry_in_ms: Math.round(waitMs) });
    this.#all = clock.after(waitMs, () => {
      this.#all = undefined;
      onOver();
    });
  }

  pauseStream(stream: string): void {
    if (this.#streams.has(stream)) return;
    const { clock, chance, log, onOver, onChange } = this.#options;
    this.#forbiddances += 1;
    const waitMs = FORBIDDEN_BACKOFF.firstMs / 2 + backoffMs(FORBIDDEN_BACKOFF, this.#forbiddances, chance);
    const retry_in_ms = Math.round(waitMs);
    log.error('broker forbids a stream: its events wait; check the access rules', { stream, retry_in_ms });
    const timer = clock.after(waitMs, () => {
      this.#streams.delete(stream);
      onChange?.();
      onOver();
    });
    this.#streams.set(stream, timer);
    onChange?.();
  }
}
