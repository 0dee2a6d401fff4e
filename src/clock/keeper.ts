/**
 * Keeps the agent's clock honest: asks the time service again and again, because time comes after the start where there is
 * no battery; writes `clock.anchor` events once there is something to date; keeps a floor of the time over restarts, in a
 * document that is written about once a day; and tells when a better time is there, for what has waited for it.
 */
import { reasonOf } from '../fault.ts';
import type {
  Boot,
  ClockQuality,
  EventDraft,
  EventSink,
  Log,
  StateDocument,
  StateStore,
  TimeService,
  Timer,
} from '../ports.ts';
import { type ClockSample, type DueAnchor, judgeAnchor, type Stamped, stampedAfter } from './anchor.ts';
import { type ClockNote, EMPTY_NOTE, parseClockNote } from './note.ts';
import { isBetter } from './quality.ts';
import type { WatchedClock } from './watched-clock.ts';

const LOOK_MS = 10_000;
/** While nothing is known: whoever waits for the time should not wait longer. */
const LOOK_EAGERLY_MS = 1000;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/**
 * Anchors beyond the first of each better clock: 6 at once, then one an hour. A clock that jumps all day costs 30 events of
 * 600 bytes, and no anchor is lost by waiting: it dates all that came before it.
 */
const ANCHORS_BURST = 6;

export interface ClockKeeperOptions {
  readonly clock: WatchedClock;
  readonly timeService: TimeService;
  readonly state: StateStore;
  readonly boot: Boot;
  readonly log: Log;
  readonly sink: EventSink;
  /** The clock is better than it was, or was set. */
  readonly onBetter: () => void;
}

export class ClockKeeper {
  readonly #options: ClockKeeperOptions;
  #document: StateDocument<ClockNote> | undefined;
  #stamped: Stamped | undefined;
  #seen: { clock: ClockQuality; steps: number } = { clock: 'unknown', steps: 0 };
  /** The best clock that an anchor, or the start, has told of. */
  #told: ClockQuality = 'unknown';
  #tokens = ANCHORS_BURST;
  #filledMs = 0;
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;
  #stopped = false;

  constructor(options: ClockKeeperOptions) {
    this.#options = options;
  }

  /** Before the first event of this run. Never rejects. */
  async start(): Promise<void> {
    const { clock, state, boot } = this.#options;
    this.#document = await state.open('clock', parseClockNote, EMPTY_NOTE);
    clock.raise(this.#note.floorMs);
    await this.#ask();
    const sample = this.#sample();
    const { boot: notedBoot, stamped } = this.#note;
    this.#stamped = notedBoot === boot.id && stamped !== undefined ? stamped : stampedAfter(sample);
    this.#seen = { clock: sample.clock, steps: clock.steps };
    this.#told = this.#stamped.clock;
    this.#filledMs = clock.monotonicMs();
    if (sample.clock === 'unknown') {
      this.#options.log.warn('the clock was not set yet: events are dated later', {
        clock: new Date(clock.wallMs()).toISOString(),
        not_before: new Date(clock.floorMs).toISOString(),
      });
    }
    // A boot whose events all have a synchronised clock needs no note.
    if (this.#stamped.clock !== 'synced' || notedBoot === boot.id) await this.#keepStamped(this.#stamped);
    this.#wait();
    clock.onStep(() => this.#hurry());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#looking;
    await this.#keepFloor(HOUR_MS);
  }

  /** A TLS session with the broker is up: its certificates are valid at this time, by this clock. */
  sessionUp(): void {
    const { clock } = this.#options;
    if (clock.quality() !== 'unknown') clock.raise(clock.wallMs());
  }

  get #note(): ClockNote {
    return this.#document?.value ?? EMPTY_NOTE;
  }

  #wait(): void {
    this.#waitFor(this.#seen.clock === 'unknown' ? LOOK_EAGERLY_MS : LOOK_MS);
  }

  /** The clock was set: the next look is soon. */
  #hurry(): void {
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    this.#waitFor(LOOK_EAGERLY_MS);
  }

  #waitFor(waitMs: number): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.after(waitMs, () => {
      this.#timer = undefined;
      this.#looking = this.#look()
        .catch((error: unknown) => this.#options.log.error('clock: look failed', { reason: reasonOf(error) }))
        .finally(() => this.#wait());
    });
  }

  async #look(): Promise<void> {
    await this.#ask();
    const sample = this.#sample();
    const { stamped, due } = judgeAnchor(this.#stamped ?? stampedAfter(sample), sample);
    this.#stamped = stamped;
    this.#tell(sample.clock);
    if (due !== undefined && this.#mayAnchor(sample.clock)) await this.#anchor(due, sample);
    await this.#keepStamped(this.#stamped);
    await this.#keepFloor(DAY_MS);
  }

  async #ask(): Promise<void> {
    const { clock, timeService } = this.#options;
    const { steps } = clock;
    clock.confirm(await timeService.isSynchronised(steps), steps);
    if (clock.quality() === 'synced') clock.raise(clock.wallMs());
  }

  #sample(): ClockSample {
    const { clock, boot } = this.#options;
    const worst = clock.takeWorst();
    return { clock: clock.quality(), worst, offsetMs: clock.wallMs() - boot.uptimeMs() };
  }

  #tell(quality: ClockQuality): void {
    const { clock, log, onBetter } = this.#options;
    const { steps } = clock;
    const before = this.#seen;
    this.#seen = { clock: quality, steps };
    if (steps !== before.steps) log.info('the clock was set', { clock: quality, was: before.clock });
    if (isBetter(quality, before.clock) || steps !== before.steps) onBetter();
  }

  /** Each better clock may be told once in any case: those are two at most. */
  #mayAnchor(quality: ClockQuality): boolean {
    if (isBetter(quality, this.#told)) return true;
    const nowMs = this.#options.clock.monotonicMs();
    this.#tokens = Math.min(ANCHORS_BURST, this.#tokens + (nowMs - this.#filledMs) / HOUR_MS);
    this.#filledMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** One that is refused, by a full disk, is owed until the next look. */
  async #anchor(due: DueAnchor, sample: ClockSample): Promise<void> {
    const { sink, log } = this.#options;
    const result = await sink.append(anchorDraft(due));
    if (result.kind !== 'accepted') return;
    log.info('clock anchored', { clock: sample.clock, was: due.before, why: due.why, step_ms: due.stepMs });
    if (isBetter(sample.clock, this.#told)) this.#told = sample.clock;
    this.#stamped = stampedAfter(sample);
  }

  async #keepStamped(stamped: Stamped): Promise<void> {
    const { boot, clock } = this.#options;
    const { boot: notedBoot, stamped: noted } = this.#note;
    const same = notedBoot === boot.id && noted?.clock === stamped.clock && noted.offsetMs === stamped.offsetMs;
    const needless = notedBoot !== boot.id && stamped.clock === 'synced';
    if (!same && !needless) await this.#write({ boot: boot.id, stamped, floorMs: clock.floorMs });
  }

  /** Written when it is far behind, or wrong: a floor in the future. */
  async #keepFloor(behindMs: number): Promise<void> {
    const { floorMs } = this.#options.clock;
    const { floorMs: kept } = this.#note;
    if (floorMs - kept >= behindMs || kept - floorMs >= HOUR_MS) await this.#write({ ...this.#note, floorMs });
  }

  async #write(note: ClockNote): Promise<void> {
    try {
      await this.#document?.write(note);
    } catch (error) {
      this.#options.log.debug('clock: note not written', { reason: reasonOf(error) });
    }
  }
}

function anchorDraft({ why, before, stepMs }: DueAnchor): EventDraft {
  const quality = 'good' as const;
  return {
    sensor: 'agent',
    stream: 'agent',
    type: 'clock.anchor',
    data: {
      why: { value: why, quality },
      before: { value: before, quality },
      step: { value: stepMs, unit: 'ms', quality },
    },
  };
}
