/** What a soak showed: the figures, the verdicts, and what makes it a failure. */
import { billFault } from '../../src/demo/audit.ts';
import { fitSlope, judgeSlope, type Slope, type Verdict } from './fit.ts';
import type { Sample, SoakResult } from './run.ts';

/** A simulated day is so many sales: one a minute, round the clock. */
const SALES_PER_DAY = 1440;
const DAYS_PER_MONTH = 30;
/**
 * MiB a simulated month. The agent takes some 60: growing by one a month it would need five years to double, and a device
 * gets a new version, and with it a new process, far more often.
 */
const BOUND_MIB_PER_MONTH = 1;
/** Until then caches, pools and the ledger's own bound fill. */
const WARM_UP = 1 / 3;

export interface Growth {
  readonly verdict: Verdict;
  readonly mibPerMonth: Slope;
  readonly mibPerMillion: number;
}

export interface SoakReport {
  readonly events: number;
  readonly simulatedDays: number;
  readonly eventsPerSecond: number;
  readonly lost: number;
  readonly doubled: number;
  readonly rss: Growth;
  readonly privateDirty: Growth;
  readonly descriptors: { readonly before: number; readonly after: number; readonly verdict: Verdict };
  /** What makes the exit status 1. */
  readonly faults: readonly string[];
}

export function reportOf(result: SoakResult): SoakReport {
  const { bill, descriptors, seconds, samples, watchdog } = result;
  const grown = descriptors.after.length - descriptors.before.length;
  const faults = [billFault(bill) ?? []].flat();
  if (grown > 0) faults.push(`${grown} more open descriptors: ${added(descriptors).join(', ')}`);
  if (watchdog > 0) faults.push(`the watchdog was not fed in time, ${watchdog} times`);
  return {
    events: bill.received,
    simulatedDays: bill.received / SALES_PER_DAY,
    eventsPerSecond: ((samples.at(-1)?.accepted ?? 0) - (samples[0]?.accepted ?? 0)) / seconds,
    lost: bill.lost,
    doubled: bill.duplicates,
    rss: growthOf(samples, ({ rssMib }) => rssMib),
    privateDirty: growthOf(samples, ({ privateDirtyMib }) => privateDirtyMib),
    descriptors: {
      before: descriptors.before.length,
      after: descriptors.after.length,
      verdict: grown > 0 ? 'missed' : 'met',
    },
    faults,
  };
}

export function growthOf(samples: readonly Sample[], figure: (sample: Sample) => number): Growth {
  const warm = samples.slice(Math.floor(samples.length * WARM_UP));
  const perMonth = SALES_PER_DAY * DAYS_PER_MONTH;
  const mibPerMonth = fitSlope(warm.map((sample) => ({ x: sample.accepted / perMonth, y: figure(sample) })));
  return {
    verdict: judgeSlope(mibPerMonth, BOUND_MIB_PER_MONTH),
    mibPerMonth,
    mibPerMillion: (mibPerMonth.slope / perMonth) * 1e6,
  };
}

export function table(result: SoakResult, report: SoakReport): string {
  const { samples, bill, faults, commands, logLines, seconds } = result;
  const range = (figure: (sample: Sample) => number): string => {
    const values = samples.map(figure);
    return `${Math.min(...values).toFixed(0)} to ${Math.max(...values).toFixed(0)}`;
  };
  const growth = ({ verdict, mibPerMonth, mibPerMillion }: Growth): string =>
    `${mibPerMonth.slope.toFixed(2)} MiB a simulated month (${mibPerMonth.low.toFixed(2)} to ` +
    `${mibPerMonth.high.toFixed(2)} at 95 %), ${mibPerMillion.toFixed(1)} MiB a million events; ` +
    `aim: at most ${BOUND_MIB_PER_MONTH}: ${verdict}`;
  const answers = Object.entries(commands.answers).map(([status, count]) => `${count} ${status}`);
  const { before, after, verdict } = report.descriptors;
  return [
    `simulated days       ${report.simulatedDays.toFixed(1)} at one sale a minute, in ${(seconds / 60).toFixed(1)} minutes`,
    `events               ${report.events}, ${report.eventsPerSecond.toFixed(0)} a second; ${result.telemetry} samples of telemetry`,
    `waiting on disk      ${range(({ accepted, received }) => Math.max(0, accepted - received))}`,
    `lost, doubled        ${bill.lost}, ${bill.duplicates}; ${bill.repeats} repeats at the consumer`,
    `faults               ${faults.cut} cuts, ${faults.broker} restarts of the broker, ${faults.unplug} unplugged ttys, ${faults.replug} lost TCP lines`,
    `commands             ${commands.asked}: ${answers.join(', ')}; ${logLines} lines of live log`,
    `RSS, MiB             ${range(({ rssMib }) => rssMib)}`,
    `private dirty, MiB   ${range(({ privateDirtyMib }) => privateDirtyMib)}`,
    `slope of RSS         ${growth(report.rss)}`,
    `slope of private     ${growth(report.privateDirty)}`,
    `descriptors at rest  ${before} before, ${after} after: ${verdict}; at work ${range((sample) => sample.descriptors)}`,
    `threads              ${range((sample) => sample.threads)}`,
    '',
  ].join('\n');
}

/** What is there more often than before. */
function added({ before, after }: SoakResult['descriptors']): string[] {
  const left = [...before];
  return after.filter((kind) => {
    const at = left.indexOf(kind);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}
