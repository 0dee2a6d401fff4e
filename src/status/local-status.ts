/**
 * The status for whoever stands at the device: written when something changed that matters (connected or not, why not,
 * what is degraded), at most once a second, and never only because a counter moved, since it may lie on a memory card.
 */
import type { Clock, Timer } from '../ports.ts';

const SPACING_MS = 1000;

export interface LocalStatusOptions {
  readonly clock: Clock;
  readonly document: () => Readonly<Record<string, unknown>>;
  /** What of the document makes it worth writing. */
  readonly matter: () => string;
  readonly write: (document: Readonly<Record<string, unknown>>) => void;
}

export class LocalStatus {
  readonly #options: LocalStatusOptions;
  #written: string | undefined;
  #waiting: Timer | undefined;
  #isOver = false;

  constructor(options: LocalStatusOptions) {
    this.#options = options;
  }

  changed(): void {
    if (this.#isOver || this.#waiting !== undefined || this.#options.matter() === this.#written) return;
    this.#write();
    this.#waiting = this.#options.clock.after(SPACING_MS, () => {
      this.#waiting = undefined;
      this.changed();
    });
  }

  /** The last word. What changes later changes nothing: the file is the next agent's, which may run in this process. */
  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#waiting?.cancel();
    this.#waiting = undefined;
    if (this.#options.matter() !== this.#written) this.#write();
  }

  #write(): void {
    this.#written = this.#options.matter();
    this.#options.write(this.#options.document());
  }
}
