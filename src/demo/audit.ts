/**
 * The bill: what the pump sold against what the consumer kept after removing repeats by identity. Lost is a sale that the
 * agent acknowledged and that never came; doubled is one that would be billed twice, because it came under two identities
 * or as two versions of one; wrong is one whose amounts are not what the pump sold. Pure counting, so that its own tests
 * can show that it sees each of these.
 */
import type { DeliveryFigures, ReceivedEvent, Verdict } from '../workbench/deliveries.ts';
import { amountText, type Sale, volumeText } from '../workbench/fuel-pump.ts';

/** Named sales of each kind in a report; beyond it they are only counted. */
const NAMED_MAX = 20;

export interface Bill {
  readonly sales: number;
  readonly accepted: number;
  /** Distinct sales that came, after repeats were removed. */
  readonly received: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly wrong: number;
  /** Came, although the pump never made it. */
  readonly unknown: number;
  readonly repeats: number;
  /** Of the repeats, those of events that the consumer had asked for: its receipt and the event crossed. */
  readonly askedRepeats: number;
  /** Versions of events whose identity another one had first. */
  readonly forks: number;
  readonly orderBreaks: number;
  readonly gaps: number;
  /** What is wrong with which sale, at most a few of each kind. */
  readonly findings: readonly string[];
}

interface Billed {
  readonly identity: string;
  readonly event: ReceivedEvent;
}

type BilledFigures = DeliveryFigures & { readonly askedRepeats?: number };

export interface AuditOptions {
  /**
   * A fork is an event of its own, kept apart and billed, as where an old copy of a ledger was put in place. Otherwise it
   * counts as a sale billed twice.
   */
  readonly forksApart?: boolean;
}

export class Audit {
  readonly #billed = new Map<string, Billed[]>();
  readonly #forksApart: boolean;
  #forks: string[] = [];

  constructor({ forksApart = false }: AuditOptions = {}) {
    this.#forksApart = forksApart;
  }

  /** Takes what the consumer got, with its verdict by identity. Repeats are left out here, as any consumer would. */
  take(verdict: Verdict, event: ReceivedEvent | undefined): void {
    if (event === undefined || event.stream !== 'sale') return;
    const identity = `${event.device} ${event.epoch} ${event.seq}`;
    if (verdict === 'fork' && !this.#forksApart) this.#forks.push(identity);
    if (verdict !== 'new' && !(verdict === 'fork' && this.#forksApart)) return;
    const name = `${event.source?.epoch ?? '?'} ${event.source?.seq ?? '?'}`;
    const entries = this.#billed.get(name);
    if (entries === undefined) this.#billed.set(name, [{ identity, event }]);
    else entries.push({ identity, event });
  }

  has(sale: Sale): boolean {
    return this.#billed.has(`${sale.boot} ${sale.seq}`);
  }

  /** How many sales came so far, each counted once. */
  get received(): number {
    return this.#billed.size;
  }

  settle(sales: readonly Sale[], accepted: readonly Sale[], figures: BilledFigures): Bill {
    const made = new Map(sales.map((sale) => [`${sale.boot} ${sale.seq}`, sale]));
    const lost = accepted.filter((sale) => !this.has(sale)).map((sale) => `${sale.boot} ${sale.seq}`);
    const doubled: string[] = [];
    const wrong: string[] = [];
    const unknown: string[] = [];
    for (const [name, entries] of this.#billed) {
      const sale = made.get(name);
      if (sale === undefined) unknown.push(name);
      if (entries.length > 1) doubled.push(`${name} as ${entries.map((entry) => entry.identity).join(' and ')}`);
      for (const { event } of sale === undefined ? [] : entries) wrong.push(...differences(name, sale as Sale, event));
    }
    return {
      sales: sales.length,
      accepted: accepted.length,
      received: this.#billed.size,
      lost: lost.length,
      duplicates: doubled.length + this.#forks.length,
      wrong: wrong.length,
      unknown: unknown.length,
      repeats: figures.repeats,
      askedRepeats: figures.askedRepeats ?? 0,
      forks: figures.forks,
      orderBreaks: figures.orderBreaks,
      gaps: figures.gaps,
      findings: [
        ...named('lost', lost),
        ...named('billed twice', doubled),
        ...named('two versions of', this.#forks),
        ...named('wrong', wrong),
        ...named('never sold', unknown),
      ],
    };
  }
}

/** Why a bill is not in order, or undefined. */
export function billFault(bill: Bill): string | undefined {
  if (bill.lost > 0) return `${bill.lost} accepted sales were lost`;
  if (bill.duplicates > 0) return `${bill.duplicates} sales were billed twice`;
  if (bill.wrong > 0) return `${bill.wrong} sales came with wrong amounts`;
  if (bill.unknown > 0) return `${bill.unknown} sales came that were never made`;
  if (bill.gaps > 0) return `${bill.gaps} event numbers never came`;
  if (bill.received === 0) return 'nothing was received';
  return undefined;
}

function differences(name: string, sale: Sale, event: ReceivedEvent): string[] {
  const expected = { volume: volumeText(sale), amount: amountText(sale) };
  return Object.entries(expected)
    .filter(([field, text]) => event.data[field]?.value !== text)
    .map(([field, text]) => `${name} ${field}: sold ${text}, came ${JSON.stringify(event.data[field]?.value)}`);
}

function named(kind: string, names: readonly string[]): string[] {
  const shown = names.slice(0, NAMED_MAX).map((name) => `${kind}: ${name}`);
  return names.length > NAMED_MAX ? [...shown, `${kind}: and ${names.length - NAMED_MAX} more`] : shown;
}
