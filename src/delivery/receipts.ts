/**
 * Takes the consumer's receipts: settles what they cover, sends again what they want, and notices when this ledger is an
 * old copy. One at a time; of those that come meanwhile only the newest counts, since a receipt is cumulative. A receipt
 * is retained, so the same one comes again on every connection: what it wants is honoured once.
 */
import { reasonOf } from '../fault.ts';
import { IntervalSet } from '../ledger/intervals.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Marks } from '../ledger/marks.ts';
import type { Life } from '../ledger/state.ts';
import type { Clock, Log, StateDocument, StateStore } from '../ports.ts';
import { judgeReceipt, parseReceipt, type Receipt, type ReceiptVerdict } from './receipt.ts';

/** A consumer that is wrong again this soon after a new epoch began is wrong itself, milliseconds. */
const FORK_AGAIN_MS = 3_600_000;
/** No receipt, or none that settles anything, for this long while something waits for one, milliseconds. */
const LATE_MS = 86_400_000;

export interface ReceiptsOptions {
  readonly ledger: Ledger;
  /** False: only `want` counts; events settle when they are handed over. */
  readonly settles: boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly state: StateStore;
  /** A receipt was taken: through where the consumer has the life with this ordinal. */
  readonly onTaken: (ordinal: number, through: number) => void;
  /** The figures changed in a way that matters. */
  readonly onChange: () => void;
}

export interface ReceiptFigures {
  /** Of the newest receipt that was taken. */
  readonly epoch: string | undefined;
  readonly through: number;
  readonly taken: number;
  readonly refused: number;
  /** Why the newest receipt was refused; undefined when it was taken. */
  readonly refusal: string | undefined;
  /** Events that a receipt asked to have sent again. */
  readonly reopened: number;
  readonly forked: boolean;
}

export class Receipts {
  readonly #options: ReceiptsOptions;
  /** The newest receipt whose `want` was honoured, as text: what it asked for is marked on disk. */
  #honoured: StateDocument<string> | undefined;
  /** The one that is being honoured, and what of it the disk does not know yet. */
  #honouring: { readonly text: string; readonly life: Life; readonly missing: IntervalSet } | undefined;
  #next: Buffer | undefined;
  #working = false;
  #forkedMs: number | undefined;
  #progressMs = 0;
  #figures: ReceiptFigures = {
    epoch: undefined,
    through: 0,
    taken: 0,
    refused: 0,
    refusal: undefined,
    reopened: 0,
    forked: false,
  };

  constructor(options: ReceiptsOptions) {
    this.#options = options;
    options.ledger.onCommit(({ marks }) => this.#onMarks(marks));
  }

  get figures(): ReceiptFigures {
    return this.#figures;
  }

  /** Events wait for a receipt, and none has come for a day. */
  get late(): boolean {
    const { settles, ledger, clock } = this.#options;
    return settles && ledger.figures.unsettled > 0 && clock.monotonicMs() - this.#progressMs > LATE_MS;
  }

  async start(): Promise<void> {
    this.#progressMs = this.#options.clock.monotonicMs();
    this.#honoured = await this.#options.state.open('receipt', textOf, '');
  }

  take(payload: Buffer): void {
    this.#next = payload;
    if (this.#working) return;
    this.#work().catch((error: unknown) => {
      this.#options.log.error('receipt not taken', { reason: reasonOf(error) });
    });
  }

  async #work(): Promise<void> {
    this.#working = true;
    try {
      for (let payload = this.#next; payload !== undefined; payload = this.#next) {
        this.#next = undefined;
        const parsed = parseReceipt(payload);
        if (parsed.kind === 'garbage') this.#refuse(`garbage: ${parsed.reason}`);
        else await this.#judge(parsed.receipt, payload.toString('utf8'));
      }
    } finally {
      // In the same turn as the last look: one that comes now starts anew.
      this.#working = false;
    }
  }

  async #judge(receipt: Receipt, text: string): Promise<void> {
    const { ledger } = this.#options;
    const { lives } = ledger.settlement;
    const life = lives.find(({ epoch }) => epoch === receipt.epoch);
    const ours =
      life === undefined || receipt.hash === undefined ? undefined : await ledger.hashAt(life, receipt.through);
    const verdict = judgeReceipt(receipt, lives, ours);
    this.#perform(receipt, verdict);
    if (verdict.kind === 'settle' || verdict.kind === 'backward') this.#want(verdict.life, receipt, text);
  }

  #perform(receipt: Receipt, verdict: ReceiptVerdict): void {
    const { ledger, settles } = this.#options;
    switch (verdict.kind) {
      case 'ignored':
        return this.#refuse(verdict.reason);
      case 'backward':
        return this.#refuse(
          `backward: ${verdict.settled} of ${receipt.epoch} is settled, this says ${receipt.through}`,
        );
      case 'fork':
        return this.#fork(verdict.reason);
      case 'settle': {
        const before = ledger.settlement.settledThrough(verdict.life);
        if (settles) {
          for (const older of verdict.before) ledger.settlement.settle(older, older.last);
          ledger.settlement.settle(verdict.life, verdict.through);
        }
        if (verdict.through > before) this.#progressMs = this.#options.clock.monotonicMs();
        const { epoch, through } = receipt;
        this.#note({ epoch, through, taken: this.#figures.taken + 1, refusal: undefined });
        this.#options.onTaken(verdict.life.ordinal, verdict.through);
      }
    }
  }

  /** `text`: the receipt as it came. Members that only the consumer knows, such as a count, make it another one. */
  #want(life: Life, receipt: Receipt, text: string): void {
    const { ledger, log } = this.#options;
    if (receipt.want.length === 0 || text === this.#honoured?.value || text === this.#honouring?.text) return;
    const missing = new IntervalSet();
    for (const [from, through] of receipt.want) {
      for (const [start, end] of ledger.settlement.reopen(life, from, through).intervals()) missing.add(start, end);
    }
    const events = missing.size;
    log.info('the consumer wants events again', { epoch: life.epoch, ranges: receipt.want.length, events });
    this.#note({ reopened: this.#figures.reopened + events });
    this.#honouring = { text, life, missing };
    this.#honour();
  }

  #onMarks(marks: readonly Marks[]): void {
    if (this.#honouring === undefined) return;
    const { life, missing } = this.#honouring;
    for (const { kind, life: ordinal, ranges } of marks) {
      // What was given up meanwhile is marked as handed over.
      if (ordinal !== life.ordinal || (kind !== 'reopened' && kind !== 'handed')) continue;
      for (const [from, through] of ranges) missing.deleteRange(from, through);
    }
    missing.deleteRange(0, life.first - 1);
    this.#honour();
  }

  /** Not before the disk knows all of it: the same receipt, which comes again after a crash, would be taken for an old one. */
  #honour(): void {
    if (this.#honouring === undefined || this.#honouring.missing.size > 0) return;
    const { text } = this.#honouring;
    this.#honouring = undefined;
    // A crash before this line only sends them once more.
    this.#honoured?.write(text).catch((error: unknown) => this.#options.log.warn(reasonOf(error)));
  }

  #fork(reason: string): void {
    const { ledger, clock, log } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#forkedMs !== undefined && nowMs - this.#forkedMs < FORK_AGAIN_MS) return this.#refuse(reason);
    this.#forkedMs = nowMs;
    log.error('the consumer knows another ledger of this device: this one is an old copy', { reason });
    ledger.startEpoch(reason);
    this.#note({ forked: true });
    this.#options.onChange();
  }

  #refuse(reason: string): void {
    const news = this.#figures.refusal !== reason;
    this.#note({ refused: this.#figures.refused + 1, refusal: reason });
    if (!news) return;
    this.#options.log.warn('receipt refused', { reason });
    this.#options.onChange();
  }

  #note(change: Partial<ReceiptFigures>): void {
    const cleared = this.#figures.refusal !== undefined && 'refusal' in change && change.refusal === undefined;
    this.#figures = { ...this.#figures, ...change };
    if (cleared) this.#options.onChange();
  }
}

function textOf(found: unknown): string | undefined {
  return typeof found === 'string' ? found : undefined;
}
