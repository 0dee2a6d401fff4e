/** The demo's result: a table for people, one JSON object for programs. */
import type { Bill } from './audit.ts';

export interface DemoResult {
  readonly bill: Bill;
  readonly kills: number;
  readonly brokerKills: number;
  readonly cuts: number;
  readonly telemetry: number;
  readonly seed: number;
  /** Why the run failed; undefined when all is in order. */
  readonly fault: string | undefined;
}

export function resultTable(result: DemoResult): string {
  const { bill } = result;
  const rows: readonly (readonly [string, string | number, string])[] = [
    ['sales made', bill.sales, 'by the pump'],
    ['accepted', bill.accepted, 'acknowledged to the pump: on disk'],
    ['received', bill.received, 'by the consumer, each counted once'],
    ['lost', bill.lost, 'accepted and not received'],
    ['duplicates', bill.duplicates, 'billed twice'],
    ['wrong amounts', bill.wrong, 'against what the pump sold'],
    ['repeats removed', bill.repeats, 'same identity, same bytes'],
    ['order', bill.orderBreaks === 0 ? 'kept' : `${bill.orderBreaks} breaks`, 'of the event numbers'],
    ['kills', result.kills, 'SIGKILL to the agent'],
    ['broker kills', result.brokerKills, 'SIGKILL to the broker'],
    ['cuts', result.cuts, 'of the link to the broker'],
    ['telemetry', result.telemetry, 'messages, may be lost'],
  ];
  const lines = rows.map(([name, value, note]) => `${name.padEnd(16)}${String(value).padStart(9)}   ${note}`);
  const verdict = result.fault === undefined ? 'Nothing lost, nothing billed twice.' : `FAILED: ${result.fault}.`;
  return `${[...lines, ...bill.findings.map((finding) => `  ${finding}`), '', verdict].join('\n')}\n`;
}

export function resultJson(result: DemoResult): string {
  const { bill } = result;
  return JSON.stringify({
    sales: bill.sales,
    accepted: bill.accepted,
    received: bill.received,
    lost: bill.lost,
    duplicates: bill.duplicates,
    repeats: bill.repeats,
    kills: result.kills,
    broker_kills: result.brokerKills,
    cuts: result.cuts,
    telemetry: result.telemetry,
    wrong: bill.wrong,
    orderBreaks: bill.orderBreaks,
    seed: result.seed,
    ...(result.fault === undefined ? {} : { fault: result.fault }),
  });
}
