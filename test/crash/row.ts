/**
 * A row of the crash matrix: one kind of fault, what the broker keeps of it, and what came of it. A row that can not run
 * here says why; it has then proved nothing.
 */
import { type Bill, billFault } from '../../src/demo/audit.ts';

export interface RowContext {
  /** How many faults. */
  readonly runs: number;
  readonly seed: number;
  readonly program: readonly [string, ...string[]];
  readonly progress: (done: number, accepted: number) => void;
}

export interface RowResult {
  /** Faults that struck. */
  readonly faults: number;
  /** Counts of the row's own, in the order they are shown. */
  readonly counts: Readonly<Record<string, number>>;
  readonly bill: Bill;
  /** What kept the row from its end, or what else it found. */
  readonly stuck: string | undefined;
}

export interface Skipped {
  readonly skipped: string;
}

export interface Row {
  readonly name: string;
  /** The fault, in a few words. */
  readonly title: string;
  /** Share of --runs. */
  readonly share: number;
  /** False: the broker loses or takes back what it knew, so the same event may come again; the consumer removes it. */
  readonly brokerKeeps: boolean;
  readonly run: (context: RowContext) => Promise<RowResult | Skipped>;
}

/**
 * Doubled in the sense of DESIGN 9.10: while the broker keeps its state a repeat on the wire is one already, but for one
 * that the consumer itself had wanted.
 */
export function duplicatesOf(bill: Bill, brokerKeeps: boolean): number {
  return bill.duplicates + (brokerKeeps ? bill.repeats - bill.askedRepeats : 0);
}

/** Why the row failed, or undefined. */
export function rowFault(row: Pick<Row, 'brokerKeeps'>, result: RowResult): string | undefined {
  if (result.stuck !== undefined) return result.stuck;
  const duplicates = duplicatesOf(result.bill, row.brokerKeeps);
  return billFault(result.bill) ?? (duplicates > 0 ? `${duplicates} events came twice` : undefined);
}

/** The bill of several scenes. */
export function sumOf(bills: readonly Bill[]): Bill {
  const sum = (pick: (bill: Bill) => number): number => bills.reduce((total, bill) => total + pick(bill), 0);
  return {
    sales: sum((bill) => bill.sales),
    accepted: sum((bill) => bill.accepted),
    received: sum((bill) => bill.received),
    lost: sum((bill) => bill.lost),
    duplicates: sum((bill) => bill.duplicates),
    wrong: sum((bill) => bill.wrong),
    unknown: sum((bill) => bill.unknown),
    repeats: sum((bill) => bill.repeats),
    askedRepeats: sum((bill) => bill.askedRepeats),
    forks: sum((bill) => bill.forks),
    orderBreaks: sum((bill) => bill.orderBreaks),
    gaps: sum((bill) => bill.gaps),
    findings: bills.flatMap((bill) => bill.findings),
  };
}

/** What a row's own hand did to one scene. */
export interface Acted {
  readonly faults: number;
  readonly counts?: Readonly<Record<string, number>>;
}
