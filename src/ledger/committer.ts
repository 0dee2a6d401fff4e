/**
 * The commit loop: one commit at a time takes what has come meanwhile, finds room for it, writes it as one durable write
 * and only then applies it. When the disk refuses, the events of that commit are refused, the file is left behind, and
 * the marks wait for the next segment.
 */
import { Fault, reasonOf } from '../fault.ts';
import type { Clock, Log, Timer } from '../ports.ts';
import { AppendQueue } from './append-queue.ts';
import { type ComposedEvent, composeEvents, framesOf } from './commit.ts';
import type { StoredEvent } from './event.ts';
import type { LedgerFiles } from './files.ts';
import type { Marks } from './marks.ts';
import { PendingMarks } from './pending-marks.ts';
import { droppable } from './retention.ts';
import { commitBytes, SegmentWriter } from './segment-writer.ts';
import type { LedgerState, Life, SessionMark } from './state.ts';

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

export interface CommitterOptions {
  readonly files: LedgerFiles;
  readonly clock: Clock;
  readonly log: Log;
  readonly device: string;
  readonly boot: { readonly id: string };
  readonly segmentBytes: number;
  readonly maxBytes: number;
}

interface WaitingSession {
  readonly session: SessionMark;
  readonly done: (error?: Fault) => void;
}

export class Committer {
  readonly queue = new AppendQueue();
  readonly marks = new PendingMarks();
  readonly writer: SegmentWriter;
  readonly #options: CommitterOptions;
  readonly #state: () => LedgerState;
  readonly #onCommit: (commit: Commit) => void;
  #sessions: WaitingSession[] = [];
  #open = false;
  #committing: Promise<void> | undefined;
  #lazy: Timer | undefined;
  #retry: Timer | undefined;
  #refusing: { readonly code: string; readonly reason: string } | undefined;
  #refused = 0;

  constructor(options: CommitterOptions, state: () => LedgerState, onCommit: (commit: Commit) => void) {
    this.#options = options;
    this.#state = state;
    this.#onCommit = onCommit;
    this.writer = new SegmentWriter({ ...options, onSpare: (failure) => this.#onSpare(failure) });
  }

  /** Why events are refused now, or undefined; and how many were. */
  get refusal(): {
    readonly now: { readonly code: string; readonly reason: string } | undefined;
    readonly count: number;
  } {
    return { now: this.#refusing, count: this.#refused };
  }

  start(): void {
    this.#open = true;
    this.writer.prepare();
    this.schedule();
  }

  /** Commits what waits, then closes the files. */
  async stop(): Promise<void> {
    this.#open = false;
    for (const timer of [this.#lazy, this.#retry]) timer?.cancel();
    await this.#committing;
    if (this.queue.length > 0 || !this.marks.empty || this.#sessions.length > 0) await this.#commit();
    await this.writer.close();
  }

  /** Resolves when the mark is on disk. */
  markSession(session: SessionMark): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#sessions.push({ session, done: (error) => (error === undefined ? resolve() : reject(error)) });
      this.schedule();
    });
  }

  /** Lets lazy marks wait a little for the next commit. */
  scheduleLazily(): void {
    this.#lazy ??= this.#options.clock.after(LAZY_MARKS_MS, () => {
      this.#lazy = undefined;
      this.schedule();
    });
  }

  schedule(): void {
    if (this.#committing !== undefined || !this.#open) return;
    // One turn late: everything that this turn of the loop still brings rides in the same commit (half the syncs).
    this.#committing = new Promise<void>((resolve) => this.#options.clock.soon(resolve))
      .then(() => this.#commit())
      .finally(() => {
        this.#committing = undefined;
        if (this.queue.length > 0 || this.#sessions.length > 0) this.schedule();
      });
  }

  async #commit(): Promise<void> {
    const life = this.#state().live;
    if (life === undefined) return;
    const waiting = this.queue.take(COMMIT_EVENTS_MAX);
    const { batch, rest } = composeEvents(waiting, life, this.#options, COMMIT_BYTES_MAX);
    this.queue.putBack(rest);
    const marks = this.marks.take();
    const sessions = this.#sessions.splice(0);
    const accepted = await this.#admit(life, batch, marks, sessions);
    const frames = framesOf(accepted, marks, sessions.map(sessionOf));
    if (frames.length === 0) return;
    try {
      await this.#roomForMarks(life, commitBytes(frames));
      await this.writer.write(frames);
    } catch (error) {
      await this.#onFailure(error, accepted, marks, sessions);
      return;
    }
    this.#apply(life, accepted, marks, sessions);
  }

  /** The events that this commit may hold: all, or none when there is no room for them. */
  async #admit(
    life: Life,
    batch: readonly ComposedEvent[],
    marks: readonly Marks[],
    sessions: readonly WaitingSession[],
  ): Promise<readonly ComposedEvent[]> {
    if (batch.length === 0) return batch;
    const refusal = await this.#roomForEvents(life, commitBytes(framesOf(batch, marks, sessions.map(sessionOf))));
    if (refusal === undefined) return batch;
    this.#refuse(batch, refusal.code, refusal.reason);
    return [];
  }

  async #roomForMarks(life: Life, bytes: number): Promise<void> {
    if (this.writer.fits(bytes, false)) return;
    try {
      await this.writer.roll(this.#state(), life, 'spare');
    } catch {
      await this.writer.roll(this.#state(), life, 'reserve');
    }
  }

  async #roomForEvents(life: Life, bytes: number): Promise<{ code: string; reason: string } | undefined> {
    const { maxBytes } = this.#options;
    while (this.writer.usedBytes + bytes > maxBytes) if (!(await this.dropOldest())) break;
    if (this.writer.usedBytes + bytes > maxBytes) {
      const reason = `ledger holds ${this.writer.usedBytes} bytes of events that are not settled; ledger.maxBytes is ${maxBytes}`;
      return { code: 'ledger.full', reason };
    }
    if (this.writer.fits(bytes, true)) return undefined;
    if (this.#retry !== undefined) return this.#refusing ?? TRYING_AGAIN;
    try {
      await this.writer.roll(this.#state(), life, 'spare');
      return undefined;
    } catch (error) {
      if (await this.dropOldest()) return this.#roomForEvents(life, bytes);
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
      this.#state().applyContent(append.draft);
    }
    this.#state().applyMarks(marks);
    for (const { session } of sessions) this.#state().applySession(session);
    if (batch.length > 0) this.#stopRefusing();
    for (const { done } of sessions) done();
    for (const { event, append } of batch) append.resolve({ kind: 'accepted', seq: event.seq });
    this.#onCommit({ events: batch.map((composed) => composed.event), marks });
  }

  /** Nothing of the batch counts: its file is abandoned where the last good commit ended, never synced again. */
  async #onFailure(
    error: unknown,
    batch: readonly ComposedEvent[],
    marks: readonly Marks[],
    sessions: readonly WaitingSession[],
  ): Promise<void> {
    await this.writer.abandonLive(this.#state());
    this.#refuse(batch, 'ledger.disk', reasonOf(error));
    this.marks.putBack(marks);
    const fault = new Fault('ledger.disk', `ledger: session mark not written: ${reasonOf(error)}`, { cause: error });
    for (const { done } of sessions) done(fault);
    this.#retryLater();
  }

  #refuse(batch: readonly ComposedEvent[], code: string, reason: string): void {
    if (this.#refusing?.code !== code) {
      this.#options.log.error(`ledger refuses events: ${reason}`, { code });
    }
    this.#refusing = { code, reason };
    this.#refused += batch.length;
    for (const { append } of batch) append.resolve({ kind: 'refused', code, reason });
  }

  #stopRefusing(): void {
    if (this.#refusing === undefined) return;
    this.#options.log.info('ledger accepts events again', { refused: this.#refused });
    this.#refusing = undefined;
  }

  #retryLater(): void {
    if (!this.#open) return;
    this.#retry ??= this.#options.clock.after(RETRY_MS, () => {
      this.#retry = undefined;
      this.writer.prepare();
      if (!this.marks.empty) this.schedule();
    });
  }

  #onSpare(failure: string | undefined): void {
    if (failure === undefined || !this.#open) return;
    this.#options.log.warn('ledger: no room to prepare the next segment', { reason: failure });
    void this.dropOldest().then(() => this.#retryLater());
  }

  /** Drops the oldest segment when all in it is settled. False: it may not go. */
  async dropOldest(): Promise<boolean> {
    const oldest = this.writer.closed[0];
    const after: { readonly life: number; readonly baseSeq: number } | undefined =
      this.writer.closed[1] ?? this.writer.live?.header;
    if (oldest === undefined || after === undefined) return false;
    if (!droppable(oldest, after, this.#state())) return false;
    try {
      await this.#options.files.remove([oldest.name]);
    } catch (error) {
      this.#options.log.warn('ledger: a settled segment could not be removed', { reason: reasonOf(error) });
      return false;
    }
    if (this.writer.closed[0] !== oldest) return true;
    this.writer.closed.shift();
    this.#state().dropBefore(after.life, after.baseSeq);
    return true;
  }
}

function sessionOf(waiting: WaitingSession): SessionMark {
  return waiting.session;
}
