/** The crash matrix as a table and as JSON. */
import type { ControlResult } from './controls.ts';
import { duplicatesOf, type Row, type RowResult, rowFault, type Skipped } from './row.ts';

export interface RanRow {
  readonly row: Row;
  readonly result: RowResult | Skipped;
}

/** What is wrong with a row, or undefined. One that was skipped is not wrong; it proved nothing. */
export function faultOf({ row, result }: RanRow): string | undefined {
  return 'skipped' in result ? undefined : rowFault(row, result);
}

export function controlFault({ control, seen }: ControlResult): string | undefined {
  return seen ? undefined : `the control "${control.name}" shows no ${control.shows}: the matrix is blind`;
}

const COLUMNS: readonly (readonly [string, (ran: RanRow, result: RowResult) => number | string])[] = [
  ['faults', (_ran, { faults }) => faults],
  ['accepted', (_ran, { bill }) => bill.accepted],
  ['received', (_ran, { bill }) => bill.received],
  ['lost', (_ran, { bill }) => bill.lost],
  ['duplicates', ({ row }, { bill }) => duplicatesOf(bill, row.brokerKeeps)],
  ['repeats', (_ran, { bill }) => bill.repeats],
  ['forks', (_ran, { bill }) => bill.forks],
  ['outcome', (ran) => (faultOf(ran) === undefined ? 'held' : 'FAILED')],
];

export function table(rows: readonly RanRow[], controls: readonly ControlResult[]): string {
  const lines = [
    ...rows.map((ran) => ({ title: `${ran.row.name}: ${ran.row.title}`, ran })),
    ...controls.map((one) => ({ title: `control: ${one.control.name}`, ran: controlRow(one), seen: one.seen })),
  ];
  const width = Math.max(...lines.map(({ title }) => title.length));
  const head = ['faults'.padEnd(width), ...COLUMNS.map(([title]) => title)].join('  ');
  const body = lines.map((line) => {
    const { title, ran } = line;
    const { result } = ran;
    if ('skipped' in result) return `${title.padEnd(width)}  skipped: ${result.skipped}`;
    const cells = COLUMNS.map(([column, value]) => {
      const shown = column === 'outcome' && 'seen' in line ? (line.seen ? 'seen' : 'BLIND') : value(ran, result);
      return String(shown).padStart(column.length);
    });
    return [title.padEnd(width), ...cells].join('  ');
  });
  return `${[head, ...body].join('\n')}\n`;
}

function controlRow({ control, result }: ControlResult): RanRow {
  const brokerKeeps = control.shows === 'duplicates';
  return { row: { ...control, title: control.name, share: 0, brokerKeeps }, result };
}

export interface Run {
  readonly runs: number;
  readonly seed: number;
  readonly seconds: number;
  readonly rows: readonly RanRow[];
  readonly controls: readonly ControlResult[];
  readonly faults: readonly string[];
}

export function json({ runs, seed, seconds, rows, controls, faults }: Run): string {
  const ran = rows.flatMap((one) => ('skipped' in one.result ? [] : [{ row: one.row, result: one.result }]));
  const sum = (pick: (one: (typeof ran)[number]) => number): number => ran.reduce((total, one) => total + pick(one), 0);
  const count = (name: string): number => sum(({ result }) => result.counts[name] ?? 0);
  return JSON.stringify({
    runs,
    lost: sum(({ result }) => result.bill.lost),
    duplicates: sum(({ row, result }) => duplicatesOf(result.bill, row.brokerKeeps)),
    controls: controls.map(({ control, lost, duplicates }) => ({ name: control.name, lost, duplicates })),
    seed,
    seconds,
    faultsMade: sum(({ result }) => result.faults),
    kills: count('kills'),
    busyKills: count('busyKills'),
    cuts: count('cuts'),
    brokerRestarts: count('brokerFaults') + count('restored'),
    accepted: sum(({ result }) => result.bill.accepted),
    received: sum(({ result }) => result.bill.received),
    repeats: sum(({ result }) => result.bill.repeats),
    billedTwice: sum(({ result }) => result.bill.duplicates),
    orderBreaks: sum(({ result }) => result.bill.orderBreaks),
    gaps: sum(({ result }) => result.bill.gaps),
    rows: rows.map(rowJson),
    faults,
  });
}

function rowJson(ran: RanRow): Readonly<Record<string, unknown>> {
  const { row, result } = ran;
  const { name, title } = row;
  if ('skipped' in result) return { name, title, skipped: result.skipped };
  const { bill, faults, counts } = result;
  const fault = faultOf(ran);
  return {
    name,
    title,
    broker_keeps: row.brokerKeeps,
    faults,
    counts,
    accepted: bill.accepted,
    received: bill.received,
    lost: bill.lost,
    duplicates: duplicatesOf(bill, row.brokerKeeps),
    repeats: bill.repeats,
    forks: bill.forks,
    ...(fault === undefined ? {} : { fault }),
  };
}
