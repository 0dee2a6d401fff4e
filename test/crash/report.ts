/** The crash matrix as a table, and what of it is a failure. */
import { billFault } from '../../src/demo/audit.ts';
import type { BrokerFaults } from './plan.ts';
import type { CrashResult } from './run.ts';

export interface Row {
  readonly name: string;
  readonly result: CrashResult;
}

const COLUMNS: readonly (readonly [string, (result: CrashResult) => number])[] = [
  ['kills', (result) => result.kills],
  ['while busy', (result) => result.busyKills],
  ['cuts', (result) => result.cuts],
  ['broker', (result) => result.brokerFaults],
  ['accepted', ({ bill }) => bill.accepted],
  ['received', ({ bill }) => bill.received],
  ['lost', ({ bill }) => bill.lost],
  ['dup on wire', ({ bill }) => bill.repeats],
  ['billed twice', ({ bill }) => bill.duplicates],
  ['order breaks', ({ bill }) => bill.orderBreaks],
];

export function table(rows: readonly Row[]): string {
  const nameWidth = Math.max(...rows.map((row) => row.name.length));
  const head = ['agent and faults'.padEnd(nameWidth), ...COLUMNS.map(([title]) => title)].join('  ');
  const lines = rows.map(({ name, result }) =>
    [name.padEnd(nameWidth), ...COLUMNS.map(([title, value]) => String(value(result)).padStart(title.length))].join(
      '  ',
    ),
  );
  return `${[head, ...lines].join('\n')}\n`;
}

/**
 * Sales doubled in the sense of DESIGN section 9.10. While the broker keeps its state even a repeat on the wire is one;
 * once it is killed repeats are allowed, for consumers to remove by identity.
 */
export function duplicatesOf(result: CrashResult, brokerFaults: BrokerFaults): number {
  return result.bill.duplicates + (brokerFaults === 'kill' ? 0 : result.bill.repeats);
}

/** Why a run of fieldpost itself failed, or undefined. */
export function faultOf(result: CrashResult, brokerFaults: BrokerFaults): string | undefined {
  if (result.stuck !== undefined) return result.stuck;
  const duplicates = duplicatesOf(result, brokerFaults);
  return billFault(result.bill) ?? (duplicates > 0 ? `${duplicates} events came twice` : undefined);
}
