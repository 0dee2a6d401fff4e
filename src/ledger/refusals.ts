/** Events that the ledger refuses: why now, how many so far, and the news of it when it begins and when it is over. */
import type { Log } from '../ports.ts';
import type { WaitingAppend } from './append-queue.ts';

export interface Refusal {
  readonly code: string;
  readonly reason: string;
}

export class Refusals {
  readonly #log: Log;
  readonly #onChange: () => void;
  #now: Refusal | undefined;
  #count = 0;

  constructor(log: Log, onChange: () => void) {
    this.#log = log;
    this.#onChange = onChange;
  }

  /** Why events are refused now, or undefined. */
  get now(): Refusal | undefined {
    return this.#now;
  }

  /** Events refused since the start. */
  get count(): number {
    return this.#count;
  }

  refuse(batch: readonly { readonly append: WaitingAppend }[], { code, reason }: Refusal): void {
    const news = this.#now?.code !== code;
    this.#now = { code, reason };
    if (news) {
      this.#log.error(`ledger refuses events: ${reason}`, { code });
      this.#onChange();
    }
    this.#count += batch.length;
    for (const { append } of batch) append.resolve({ kind: 'refused', code, reason });
  }

  over(): void {
    if (this.#now === undefined) return;
    this.#log.info('ledger accepts events again', { refused: this.#count });
    this.#now = undefined;
    this.#onChange();
  }
}
