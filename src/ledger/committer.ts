/**
 * The commit loop: one commit at a time takes what has come meanwhile, finds room for it, writes it as one durable write
 * and only then applies it. When the disk refuses, the events of that commit are refused, the file is left behind, and
 * the marks wait for the next segment.
 */
import { Fault, reasonOf } from '../fault.ts';
import type { Timer } from '../ports.ts';
import { gapsLeft, owedDrafts } from './agent-events.ts';
import { AppendQueue, type WaitingAppend } from './append-queue.ts';
import { type ComposedEvent, composeEvents, framesOf } from './commit.ts';
import type { CommitterOptions } from './committer-options.ts';
import type { StoredEvent } from './event.ts';
import { GroupWindow } from './group-window.ts';
import type { Marks } from './marks.ts';
import { OldestSegment } from './oldest-segment.ts';
import { PendingMarks } from './pending-marks.ts';
import { type Refusal, Refusals } from './refusals.ts';
import { commitBytes, SegmentWriter } from './segment-writer.ts';
import { type LedgerState, type Life, type SessionMark, unsettledRanges } from './state.ts';
import { Strays } from './strays.ts';

/** Events of one commit. More only makes the oldest wait longer; a commit of 64 already costs little more than one of 1. */
const COMMIT_EVENTS_MAX = 256;
/** Bytes of one commit's events. */
const COMMIT_BYTES_MAX = 256 * 1024;
/** How long `handed` marks wait for company. Losing them only repeats PUBRELs. */
const LAZY_MARKS_MS = 100;
/** Pause after a failed commit or segment. */
const RETRY_MS = 1000;
const TRYING_AGAIN = { code: 'ledger.disk', reason: 'the disk failed; it is tried again soon' };

export interface Commit {
  readonly events: readonly StoredEvent[];
  /** Marks that are now on stable storage. */
  readonly marks: readonly Marks[];
}

interface WaitingSession {
  readonly session: SessionMark;
  /** The broker has forgotten what was handed over: what is not settled is to be sent again. */
  readonly replay: boolean;
  readonly done: (error?: Fault) => void;
}

export class Committer {
  readonly queue = new AppendQueue();
  readonly marks = new PendingMarks();
  readonly writer: SegmentWriter;
  readonly oldest: OldestSegment;
  readonly refusals: Refusals;
  readonly strays: Strays;
  readonly #window: GroupWindow;
  readonly #options: CommitterOptions;
  readonly #state: () => LedgerState;
  readonly #onCommit: (commit: Commit) => void;
  #sessions: WaitingSession[] = [];
  #open = false;
  #committing: Promise<void> | undefined;
  /** Asked for a commit since the one that is under way took what it holds. */
  #isAsked = false;
  #lazy: Timer | undefined;
  #retry: Timer | undefined;
  #spareRetry: Timer | undefined;
  #spareFailing = false;
  #makingRoom: Promise<void> = Promise.resolve();
  /** Events accepted since the start, those of the ledger itself among them. */
  accepted = 0;
  /** Commits that have ended, well or not. */
  #rounds = 0;

  constructor(options: CommitterOptions, state: () => LedgerState, onCommit: (commit: Commit) => void) {
    this.#options = options;
    this.#state = state;
    this.#onCommit = onCommit;
    this.refusals = new Refusals(options.log, () => options.onRefusing?.());
    this.strays = new Strays(options);
    this.#window = new GroupWindow(options.clock, options.commitWindowMs ?? 0, () => this.schedule());
    this.writer = new SegmentWriter({ ...options, onSpare: (failure) => this.#onSpare(failure) });
    const { files, log } = options;
    this.oldest = new OldestSegment({ files, log, writer: this.writer, pending: this.marks, state });
  }

  start(): void {
    this.#open = true;
    this.writer.expect(this.#state());
    this.writer.prepare();
    this.schedule();
  }

  /** Commits what waits, then closes the files. */
  async stop(): Promise<void> {
    this.#open = false;
    for (const timer of [this.#lazy, this.#retry, this.#spareRetry]) timer?.cancel();
    this.#retry = undefined;
    await this.#committing;
    await this.#makingRoom;
    let gaps: number;
    // Each commit takes something and answers it, or names a gap, so this ends.
    do {
      gaps = this.#state().unnamed.length;
      await this.#commit();
    } while (this.queue.length > 0 || this.#sessions.length > 0 || this.#state().unnamed.length < gaps);
    this.#window.close();
    await this.writer.close();
  }

  /** Resolves when the mark is on disk, and with it, in one commit, what is to be sent again. */
  markSession(session: SessionMark, replay: boolean): Promise<void> {
    if (!this.#open) return Promise.reject(new Fault('ledger.closed', 'the ledger is closed'));
    return new Promise((resolve, reject) => {
      this.#sessions.push({ session, replay, done: (error) => (error === undefined ? resolve() : reject(error)) });
      this.schedule();
    });
  }

  /** Changes as commits end; undefined: nothing waits for one. */
  get mark(): number | undefined {
    const waits = this.#committing !== undefined || this.queue.length > 0 || this.#sessions.length > 0;
    return waits ? this.#rounds : undefined;
  }

  /** A draft came into the queue. */
  scheduleAppend(): void {
    this.#window.add(this.queue.length);
  }

  /** Lets lazy marks wait a little for the next commit. */
  scheduleLazily(): void {
    this.#lazy ??= this.#options.clock.after(LAZY_MARKS_MS, () => {
      this.#lazy = undefined;
      // A commit that is under way does not hold what came after it began.
      if (this.#committing === undefined) this.schedule();
      else this.scheduleLazily();
    });
  }

  schedule(): void {
    this.#isAsked = true;
    if (this.#committing !== undefined || !this.#open) return;
    // One turn late: everything that this turn of the loop still brings rides in the same commit (half the syncs).
    this.#committing = new Promise<void>((resolve) => this.#options.clock.soon(resolve))
      .then(() => this.#commit())
      .finally(() => {
        this.#committing = undefined;
        this.oldest.underway = [];
        this.#rounds += 1;
        if (this.#window.isOver || this.#sessions.length > 0 || this.#marksDue) this.schedule();
        else if (this.queue.length > 0) this.scheduleAppend();
      });
  }

  /** Marks that came during a commit ask for the next one; on a failing disk the retry timer does. */
  get #marksDue(): boolean {
    return (this.marks.urgent || this.#isAsked) && this.#retry === undefined;
  }

  async #commit(): Promise<void> {
    await this.oldest.stays();
    const life = this.#state().live;
    this.#isAsked = false;
    if (life === undefined) return;
    const owed = this.#owed();
    const waiting = [...owed, ...this.#due()];
    const { batch, rest } = composeEvents(waiting, life, this.#options, COMMIT_BYTES_MAX);
    this.queue.putBack(rest);
    if (rest.length > 0) this.#window.end();
    const sessions = this.#sessions.splice(0);
    const marks = this.#takeMarks(sessions);
    const accepted = await this.#admit(life, batch, owed.length, marks, sessions);
    const frames = framesOf(
      accepted,
      marks,
      sessions.map(({ session }) => session),
    );
    if (frames.length === 0) return this.#tryAgain(life);
    try {
      await this.#roomForMarks(life, commitBytes(frames));
    } catch (error) {
      this.#refuseCommit(error, accepted, marks, sessions);
      this.#retryLater();
      return;
    }
    try {
      await this.writer.write(frames);
    } catch (error) {
      await this.#onFailure(life, error, accepted, marks, sessions);
      return;
    }
    this.#apply(life, accepted, marks, sessions);
    if (accepted.length > owed.length) this.refusals.over();
    else await this.#tryAgain(life);
  }

  /** The ledger's own events come first, and nobody waits for them. */
  #owed(): WaitingAppend[] {
    const { clock, boot } = this.#options;
    const moment = { timeMs: clock.wallMs(), uptimeMs: Math.round(boot.uptimeMs()), clock: clock.quality() };
    return owedDrafts(this.#state(), this.#options.signer).map((draft) => ({
      draft,
      ...moment,
      resolve: () => undefined,
    }));
  }

  /** A commit of marks leaves the events of an open window alone: taken along, they would soon bring marks of their own. */
  #due(): WaitingAppend[] {
    if (!this.#window.isOver && this.#open) return [];
    this.#window.close();
    return this.strays.admit(this.queue.take(COMMIT_EVENTS_MAX));
  }

  #takeMarks(sessions: readonly WaitingSession[]): readonly Marks[] {
    if (sessions.some(({ replay }) => replay)) {
      for (const life of this.#state().lives) {
        for (const [from, through] of unsettledRanges(life, this.marks.handedOf(life.ordinal))) {
          this.marks.reopen(life.ordinal, from, through);
        }
      }
    }
    const later = gapsLeft(this.#state());
    if (later.length > 0 && this.#open) this.scheduleLazily();
    this.oldest.underway = this.marks.take(later);
    return this.oldest.underway;
  }

  /** A segment is of one life: the first commit of a new one opens its own. */
  #fits(life: Life, bytes: number, withEvents: boolean): boolean {
    return this.writer.live?.header.life === life.ordinal && this.writer.fits(bytes, withEvents);
  }

  /** The events that this commit may hold: all, or only the `owed` first ones when there is no room for more. */
  async #admit(
    life: Life,
    batch: readonly ComposedEvent[],
    owed: number,
    marks: readonly Marks[],
    sessions: readonly WaitingSession[],
  ): Promise<readonly ComposedEvent[]> {
    if (batch.length === owed) return batch;
    const refusal = await this.#roomForEvents(
      life,
      commitBytes(
        framesOf(
          batch,
          marks,
          sessions.map(({ session }) => session),
        ),
      ),
    );
    if (refusal === undefined) return batch;
    this.refusals.refuse(batch.slice(owed), refusal);
    return batch.slice(0, owed);
  }

  /** Marks, and events of the ledger itself, may also use the end of a segment and the reserve. */
  async #roomForMarks(life: Life, bytes: number): Promise<void> {
    if (this.#fits(life, bytes, false)) return;
    if (this.#retry !== undefined) throw new Error(TRYING_AGAIN.reason);
    await this.#rollSomehow(life, bytes);
  }

  async #rollSomehow(life: Life, bytes: number): Promise<void> {
    try {
      await this.writer.roll(this.#state(), life, 'spare', bytes);
    } catch {
      await this.writer.roll(this.#state(), life, 'reserve', bytes);
    }
  }

  async #roomForEvents(life: Life, bytes: number): Promise<Refusal | undefined> {
    const { maxBytes } = this.#options;
    while (this.writer.usedBytes + bytes > maxBytes) if (!(await this.oldest.drop())) break;
    if (this.writer.usedBytes + bytes > maxBytes) {
      const reason = `ledger holds ${this.writer.usedBytes} bytes of events that are not settled; ledger.maxBytes is ${maxBytes}`;
      return { code: 'ledger.full', reason };
    }
    if (this.#fits(life, bytes, true)) return undefined;
    if (this.#retry !== undefined) return this.refusals.now ?? TRYING_AGAIN;
    try {
      await this.writer.roll(this.#state(), life, 'spare', bytes);
      return undefined;
    } catch (error) {
      if (await this.oldest.drop()) return this.#roomForEvents(life, bytes);
      this.#retryLater();
      return { code: 'ledger.disk', reason: reasonOf(error) };
    }
  }

  #apply(
    life: Life,
    batch: readonly ComposedEvent[],
    marks: readonly Marks[],
    sessions: readonly WaitingSession[],
  ): void {
    for (const { event, hash, append } of batch) {
      this.#state().applyEvent(event, hash);
      this.#state().applyContent(append.draft, append.digest);
    }
    this.accepted += batch.length;
    this.#state().applyMarks(marks);
    for (const { session } of sessions) this.#state().applySession(session);
    this.strays.look(this.#state().pieces, this.#state().dead);
    const tail = this.writer.tailNote(life.last);
    if (tail !== undefined) this.#options.onTail(tail);
    for (const { done } of sessions) done();
    for (const { event, append } of batch) append.resolve({ kind: 'accepted', seq: event.seq });
    this.#onCommit({ events: batch.map((composed) => composed.event), marks });
  }

  /**
   * Nothing of the batch counts: its file is abandoned where the last good commit ended, never synced again. The next
   * segment says so by its name and its head; only then are the events refused, so that a crash can not bring back what
   * was refused. Where the disk gives no next segment either, that can not be promised.
   */
  async #onFailure(
    life: Life,
    error: unknown,
    batch: readonly ComposedEvent[],
    marks: readonly Marks[],
    sessions: readonly WaitingSession[],
  ): Promise<void> {
    await this.writer.abandonLive(this.#state());
    try {
      await this.#rollSomehow(life, 0);
      this.#refuseCommit(error, batch, marks, sessions);
      if (this.writer.live?.header.reserve !== true) this.refusals.over();
      else this.#retryLater();
    } catch {
      this.#refuseCommit(error, batch, marks, sessions);
      this.#retryLater();
    }
  }

  /** With no event to write: whether the disk that failed can take events again, so that the status says what is true. */
  async #tryAgain(life: Life): Promise<void> {
    if (this.refusals.now?.code !== 'ledger.disk' || this.#retry !== undefined || !this.#open) return;
    try {
      if (!this.#fits(life, 0, true)) await this.writer.roll(this.#state(), life, 'spare', 0);
      this.refusals.over();
    } catch {
      this.#retryLater();
    }
  }

  #refuseCommit(
    error: unknown,
    batch: readonly ComposedEvent[],
    marks: readonly Marks[],
    sessions: readonly WaitingSession[],
  ): void {
    this.refusals.refuse(batch, { code: 'ledger.disk', reason: reasonOf(error) });
    this.marks.putBack(marks);
    const fault = new Fault('ledger.disk', `ledger: session mark not written: ${reasonOf(error)}`, { cause: error });
    for (const { done } of sessions) done(fault);
    if (marks.length > 0) this.scheduleLazily();
  }

  #retryLater(): void {
    if (!this.#open) return;
    this.#retry ??= this.#options.clock.after(RETRY_MS, () => {
      this.#retry = undefined;
      this.writer.prepare();
      this.schedule();
    });
  }

  #onSpare(failure: string | undefined): void {
    const again = this.#spareFailing;
    this.#spareFailing = failure !== undefined;
    if (failure === undefined || !this.#open) return;
    if (!again) this.#options.log.warn('ledger: no room to prepare the next segment', { reason: failure });
    this.#spareRetry ??= this.#options.clock.after(RETRY_MS, () => {
      this.#spareRetry = undefined;
      this.#makingRoom = this.oldest.drop().then(
        () => (this.#open ? this.writer.prepare() : undefined),
        (error: unknown) => this.#options.log.error('ledger: retention failed', { reason: reasonOf(error) }),
      );
    });
  }
}
