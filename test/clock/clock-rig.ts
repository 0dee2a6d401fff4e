/** The keeper of the clock on a clock that a test turns by hand, with a time service and a ledger that it speaks for. */
import { ClockKeeper } from '../../src/clock/keeper.ts';
import { WatchedClock } from '../../src/clock/watched-clock.ts';
import { stateStore } from '../../src/platform/state-store.ts';
import type { EventDraft, StateStore } from '../../src/ports.ts';
import { until } from '../rig/wait.ts';
import { HandClock } from '../sensor-rig.ts';
import { keptLog } from '../serial-rig.ts';

export const NOW_MS = Date.UTC(2026, 10, 24, 12);
export const DAY_MS = 86_400_000;
const DEADLINE_MS = 10_000;

/** An anchor, as the ledger would stamp it. */
export interface Anchor {
  readonly why: unknown;
  readonly before: unknown;
  readonly stepMs: unknown;
  readonly clock: string;
  readonly wallMs: number;
}

export interface Machine {
  readonly hand: HandClock;
  readonly clock: WatchedClock;
  readonly keeper: ClockKeeper;
  readonly anchors: readonly Anchor[];
  /** Times that `onBetter` was called. */
  readonly better: () => number;
  /** What the time service says. */
  synced: boolean;
  /** The ledger refuses. */
  refuses: boolean;
  readonly setWall: (ms: number) => void;
  /** Lets time pass in steps of ten seconds at most, with everything that falls due. */
  readonly pass: (ms: number) => Promise<void>;
}

export interface Documents {
  readonly store: StateStore;
  readonly writes: () => number;
}

/** Real files, and how often one was written. */
export function countedStore(directory: string): Documents {
  const store = stateStore(directory, keptLog());
  let writes = 0;
  return {
    writes: () => writes,
    store: {
      open: async (name, parse, initial) => {
        const document = await store.open(name, parse, initial);
        return {
          get value() {
            return document.value;
          },
          write: (value) => {
            writes += 1;
            return document.write(value);
          },
        };
      },
    },
  };
}

export function machine(store: StateStore, wallMs: number, boot = 'b1', uptimeMs = 5000): Machine {
  const hand = new HandClock();
  hand.wallOffsetMs = wallMs - hand.monotonicMs();
  const started = hand.monotonicMs();
  const clock = new WatchedClock(hand);
  const anchors: Anchor[] = [];
  let better = 0;
  const made: Machine = {
    hand,
    clock,
    anchors,
    better: () => better,
    synced: false,
    refuses: false,
    keeper: new ClockKeeper({
      clock,
      state: store,
      boot: { id: boot, uptimeMs: () => uptimeMs + hand.monotonicMs() - started },
      log: keptLog(),
      timeService: { isSynchronised: () => Promise.resolve(made.synced) },
      sink: {
        append: (draft) => {
          if (made.refuses) return Promise.resolve({ kind: 'refused', code: 'ledger.full', reason: 'full' });
          anchors.push(anchorOf(draft, clock));
          return Promise.resolve({ kind: 'accepted', seq: anchors.length });
        },
      },
      onBetter: () => {
        better += 1;
      },
    }),
    setWall: (ms) => {
      hand.wallOffsetMs = ms - hand.monotonicMs();
    },
    pass: async (ms) => {
      const stepMs = Math.min(10_000, ms / 10);
      for (let passed = 0; passed < ms; passed += stepMs) {
        hand.pass(stepMs);
        // The keeper waits again once it has looked and written what it had to.
        for (let turn = 0; turn < 20 && hand.timers === 0; turn += 1) await new Promise((next) => setImmediate(next));
        if (hand.timers === 0) await until(() => hand.timers > 0, 'the keeper at rest', DEADLINE_MS);
      }
    },
  };
  return made;
}

function anchorOf({ type, stream, data }: EventDraft, clock: WatchedClock): Anchor {
  if (type !== 'clock.anchor' || stream !== 'agent') throw new Error(`not an anchor: ${stream} ${type}`);
  const { why, before, step } = data;
  return {
    why: why?.value,
    before: before?.value,
    stepMs: step?.value,
    clock: clock.quality(),
    wallMs: clock.wallMs(),
  };
}
