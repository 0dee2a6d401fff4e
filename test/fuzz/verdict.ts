/** What of a fuzz run's result is a fault. Pure. */
import type { FuzzResult } from './run.ts';

/** A process of Node grows at first, whatever comes; what a leak of a kilobyte a case would add comes on top. */
const GROWTH_MIB_MAX = 64;

export function faultsOf({ broken, bill, rss, suspects }: FuzzResult): readonly string[] {
  const list = (sales: readonly number[]): string => sales.slice(0, 10).join(', ');
  return [
    ...(broken === undefined ? [] : [broken]),
    ...(bill.lost.length === 0 ? [] : [`${bill.lost.length} sales lost: ${list(bill.lost)}`]),
    ...(bill.doubled.length === 0 ? [] : [`${bill.doubled.length} sales doubled: ${list(bill.doubled)}`]),
    ...(bill.forks === 0 ? [] : [`${bill.forks} identities with other bytes`]),
    ...(rss.most - rss.first <= GROWTH_MIB_MAX ? [] : [`memory rose from ${rss.first} to ${rss.most} MiB`]),
    ...suspects.map((line) => `looks like a fault of the program: ${line}`),
  ];
}
