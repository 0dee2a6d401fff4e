/**
 * One part of the backlog benchmark as a process of its own: fills a ledger, opens it, drains it to a broker, or drops what
 * is settled. What it prints last are its figures.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../src/platform/clock.ts';
import type { Clock } from '../../src/ports.ts';
import { until } from '../../src/workbench/wait.ts';
import { startFigures, peakRssMib, rssMib } from '../rig/own-figures.ts';
import { type Place, writtenBytes } from '../rig/place.ts';
import { connect, makeLedger, sale, SEGMENT_BYTES } from '../rig/product.ts';

const MAX_BYTES = 4 * 1024 ** 3;
/** Sales under way at once while filling: as many as a commit likes, so that a million does not take an hour. */
const PRODUCERS = 100;
const WINDOW_DEFAULT = 32;
const SPARE_DEADLINE_MS = 30_000;
/** Ledger.open sets a timer this long for retention; here it is run by hand. */
const RETENTION_CHECK_MS = 60_000;

export interface Part {
  readonly part: 'fill' | 'open' | 'drain' | 'drop';
  readonly place: Place;
  readonly directory: string;
  readonly events: number;
  readonly url?: string;
}

export interface Tenth {
  readonly perSecond: number;
  readonly cpuUsPerEvent: number;
  readonly bytesPerEvent: number;
}

export interface Filled {
  readonly first: Tenth;
  readonly last: Tenth;
  readonly perSecond: number;
  readonly peakRssMib: number;
  readonly diskMib: number;
  readonly eventBytes: number;
}

export interface Opened {
  readonly ms: number;
  readonly cpuMs: number;
  readonly rssMib: number;
  readonly unsent: number;
}

export interface Drained {
  readonly perSecond: number;
  readonly cpuUsPerEvent: number;
  readonly delayP99Ms: number;
  readonly peakRssMib: number;
  readonly unsent: number;
}

export interface Dropped {
  readonly ms: number;
  readonly segments: number;
  readonly diskMib: number;
}

const part = JSON.parse(process.argv[2] ?? '{}') as Part;
const parts = { fill, open, drain, drop };
process.stdout.write(`${JSON.stringify(await parts[part.part](part))}\n`, () => process.exit());

async function fill({ place, directory, events }: Part): Promise<Filled> {
  const ledger = makeLedger({ directory, maxBytes: MAX_BYTES });
  await ledger.open();
  let eventBytes = 0;
  let taken = 0;
  ledger.onCommit(({ events: kept }) => {
    eventBytes = kept.at(-1)?.payload.length ?? eventBytes;
  });
  const append = async (through: number): Promise<Tenth> => {
    const before = writtenBytes(place);
    const count = through - taken;
    const end = startFigures();
    const producer = async (): Promise<void> => {
      while (taken < through) {
        taken += 1;
        const result = await ledger.append(sale(taken, true));
        if (result.kind !== 'accepted') throw new Error(`append was ${JSON.stringify(result)}`);
      }
    };
    await Promise.all(Array.from({ length: PRODUCERS }, producer));
    const { seconds, cpuUs } = end();
    const bytesPerEvent = (writtenBytes(place) - before) / count;
    return { perSecond: count / seconds, cpuUsPerEvent: cpuUs / count, bytesPerEvent };
  };
  // The next segment is zero-filled and node's compiler is warm before anything is counted.
  await append(Math.round(events / 20));
  await until(() => spareBytes(directory) === SEGMENT_BYTES, 'the spare segment', SPARE_DEADLINE_MS);
  const tenth = Math.round(events / 10);
  const from = performance.now();
  const counted = events - taken;
  const first = await append(taken + tenth);
  await append(events - tenth);
  const last = await append(events);
  const perSecond = (counted / (performance.now() - from)) * 1000;
  await ledger.close();
  return { first, last, perSecond, peakRssMib: peakRssMib('self'), diskMib: sizeMib(directory), eventBytes };
}

async function open({ directory }: Part): Promise<Opened> {
  const ledger = makeLedger({ directory, maxBytes: MAX_BYTES });
  const end = startFigures();
  await ledger.open();
  const { seconds, cpuUs } = end();
  const { unsent } = ledger.figures;
  // The spare of the next segment is made, or found to be there, in the background.
  await pause(300);
  const rss = rssMib('self');
  await ledger.close();
  return { ms: seconds * 1000, cpuMs: cpuUs / 1000, rssMib: rss, unsent };
}

async function drain({ directory, events, url = '' }: Part): Promise<Drained> {
  const ledger = makeLedger({ directory, maxBytes: MAX_BYTES });
  await ledger.open();
  const { unsent } = ledger.figures;
  let done: () => void = () => undefined;
  const drained = new Promise<void>((resolve) => {
    done = resolve;
  });
  const end = startFigures();
  const { link } = await connect({
    ledger,
    url,
    tls: undefined,
    window: WINDOW_DEFAULT,
    onProgress: ({ figures }) => {
      if (figures.handed >= unsent) done();
    },
  });
  await drained;
  const { seconds, cpuUs, delayP99Ms, peakRssMib: peak } = end();
  await link.end({ word: 'own.ended', text: 'drained' });
  await ledger.close();
  const left = ledger.figures.unsent;
  if (left > 0) throw new Error(`${left} of ${events} events are left`);
  return { perSecond: unsent / seconds, cpuUsPerEvent: cpuUs / unsent, delayP99Ms, peakRssMib: peak, unsent };
}

/** What is settled and old goes when retention looks: here at once, with a clock that counts as synchronised. */
async function drop({ directory }: Part): Promise<Dropped> {
  let look: (() => void) | undefined;
  const clock: Clock = {
    ...systemClock,
    quality: () => 'synced',
    after: (ms, run) => {
      if (ms < RETENTION_CHECK_MS) return systemClock.after(ms, run);
      look = run;
      return { cancel: () => undefined };
    },
  };
  const ledger = makeLedger({ directory, maxBytes: MAX_BYTES, clock, retainMs: 0 });
  await ledger.open();
  const before = segments(directory);
  const from = performance.now();
  look?.();
  while (segments(directory) > 1) {
    if (performance.now() - from > 60_000) throw new Error(`${segments(directory)} segments stay`);
    await pause(1);
  }
  const ms = performance.now() - from;
  await ledger.close();
  return { ms, segments: before, diskMib: sizeMib(directory) };
}

function spareBytes(directory: string): number {
  return statSync(join(directory, 'spare'), { throwIfNoEntry: false })?.size ?? 0;
}

function segments(directory: string): number {
  return readdirSync(directory).filter((name) => name.endsWith('.seg')).length;
}

function sizeMib(directory: string): number {
  return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0) / 1024 ** 2;
}
