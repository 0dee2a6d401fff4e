/**
 * When one device's receipt is said: as soon as it says something new, at most twice a second, and again and again while
 * something is missing. One publish is under way at a time, and none is begun without a connection, so that what waits
 * never grows and no device waits for another.
 */
import type { DeviceBook } from './book.ts';

/** A missing event may only be on its way: it is asked for when it has been missing for this long, milliseconds. */
const ASK_AFTER_MS = 3000;
/** And again when nothing came. */
const ASK_AGAIN_MS = 30_000;
/** Between two receipts of one device. */
const RECEIPT_MS = 500;

export interface ReceiptPublisherOptions {
  readonly device: string;
  readonly topic: string;
  readonly book: DeviceBook;
  /** False: nothing is said, and nothing is asked for. */
  readonly receipts: boolean;
  readonly connected: () => boolean;
  readonly publish: (topic: string, payload: Buffer) => Promise<void>;
  /** Milliseconds that never jump. */
  readonly nowMs: () => number;
  readonly tell: (sentence: string) => void;
  /** A receipt was sent. */
  readonly onSent: () => void;
  /** Something has been missing for long enough to be asked for. */
  readonly onAsked: () => void;
}

export class ReceiptPublisher {
  readonly #options: ReceiptPublisherOptions;
  /** Since when something is missing; undefined: nothing is. */
  #missingMs: number | undefined;
  #askedMs = Number.NEGATIVE_INFINITY;
  #asked = 0;
  #saidMs = Number.NEGATIVE_INFINITY;
  #said = '';
  #underWay: Promise<void> | undefined;

  constructor(options: ReceiptPublisherOptions) {
    this.#options = options;
  }

  /** Says what is due; called now and then. Resolves at once while one is under way. */
  async say(): Promise<void> {
    if (this.#underWay === undefined) await this.#begin(false);
  }

  /** Says what is due when what is under way is over. It may take as long as the connection is away. */
  async sayLast(): Promise<void> {
    await this.#underWay;
    await this.#begin(true);
  }

  #begin(last: boolean): Promise<void> {
    this.#underWay = this.#say(last).finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #say(last: boolean): Promise<void> {
    const { book, receipts, connected, nowMs, onAsked } = this.#options;
    const now = nowMs();
    if (!connected() || (now - this.#saidMs < RECEIPT_MS && !last)) return;
    const missing = book.receipt(true)?.want.length ?? 0;
    this.#missingMs = missing === 0 ? undefined : (this.#missingMs ?? now);
    const asks =
      this.#missingMs !== undefined && now - this.#missingMs >= ASK_AFTER_MS && now - this.#askedMs >= ASK_AGAIN_MS;
    const due = book.receipt(asks);
    if (due === undefined) return;
    const { want, ...said } = due;
    if (want.length > 0) this.#askedMs = now;
    if (receipts && (want.length > 0 || JSON.stringify(said) !== this.#said)) {
      this.#saidMs = now;
      if (!(await this.#publish(said, want))) return;
    }
    if (want.length === 0) return;
    // Who sends no receipts leaves the asking to who does, and has waited as long.
    book.asked(due.epoch, want);
    onAsked();
  }

  async #publish(said: { readonly epoch: string }, want: readonly (readonly [number, number])[]): Promise<boolean> {
    const { device, topic, publish, tell, onSent } = this.#options;
    if (want.length > 0) {
      this.#asked += 1;
      tell(`${device} ${said.epoch}: asks for ${want.length} ranges again`);
    }
    // `asked` makes a receipt that asks once more another one: a device honours each once.
    const document = want.length === 0 ? said : { ...said, want, asked: `${Date.now()}-${this.#asked}` };
    try {
      await publish(topic, Buffer.from(JSON.stringify(document), 'utf8'));
      this.#said = JSON.stringify(said);
      onSent();
      return true;
    } catch (error) {
      tell(`receipt for ${device} not sent: ${String(error)}`);
      return false;
    }
  }
}
