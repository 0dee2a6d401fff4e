/**
 * The ledger: events in, numbered, chained and on stable storage before anyone is told; marks of what became of them in
 * the same commits. It never drops an event that is not settled, never uses a sequence twice, and says what it lost.
 * This is its face; the commit loop is in committer.ts, the way back from any crash in recovery.ts.
 */
import { reasonOf } from '../fault.ts';
import type {
  AppendResult,
  Boot,
  Chance,
  Clock,
  EventDraft,
  EventSigner,
  EventSink,
  Log,
  Timer,
  Work,
} from '../ports.ts';
import { newEpochName } from './agent-events.ts';
import { type Commit, Committer } from './committer.ts';
import { eventHash, type StoredEvent } from './event.ts';
import { ageOf, type KeptStamp, parseStamp } from './event-age.ts';
import { EventReader, type ReadableSegment } from './event-reader.ts';
import { type LedgerFigures, olderEpochs } from './figures.ts';
import type { LedgerFiles } from './files.ts';
import { Notes } from './notes.ts';
import { type Recovered, recover } from './recovery.ts';
import { readableSegments } from './retention.ts';
import { SegmentAges } from './segment-age.ts';
import type { KnownSegment } from './segment-writer.ts';
import { Settlement } from './settlement.ts';
import { freshCount, LedgerState, type Life, pendingCount, type SessionMark, unsettledCount } from './state.ts';
import type { Strays } from './strays.ts';

const RETENTION_CHECK_MS = 60_000;
/** Some hundred of the oldest events that were left behind show which streams they are of. */
const STRAYS_BYTES = 64 * 1024;

/** Events that are new, and those that are sent again, are read each in their own order. */
export type ReadLane = 'new' | 'replay';

export interface LedgerOptions {
  readonly files: LedgerFiles;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly boot: Boot;
  readonly log: Log;
  readonly device: string;
  /** Size of one segment file, bytes. */
  readonly segmentBytes: number;
  /** Bound of the used bytes of all segments. */
  readonly maxBytes: number;
  /** How long settled events stay, milliseconds; judged by a synchronised clock only. */
  readonly retainMs: number;
  /** Events settle by the consumer's receipts; default: when they are handed over. */
  readonly receipts?: boolean;
  /** How long an event may wait for others to be committed with, milliseconds; default 0. */
  readonly commitWindowMs?: number;
  readonly signer?: EventSigner;
  /** See committer-options.ts. */
  readonly piecesMax?: number;
  /** Events begin to be refused, or are accepted again. */
  readonly onRefusing?: () => void;
}

export class Ledger implements EventSink {
  readonly #options: LedgerOptions;
  readonly #committer: Committer;
  /** One for each that reads in order, so that none loses its place to the other. */
  readonly #readers: Readonly<Record<ReadLane, EventReader>>;
  readonly settlement: Settlement;
  readonly #ages: SegmentAges;
  readonly #listeners: ((commit: Commit) => void)[] = [];
  #state = new LedgerState();
  #phase: 'new' | 'open' | 'closed' = 'new';
  #retention: Timer | undefined;
  #dropping: Promise<void> = Promise.resolve();
  #quarantined = 0;
  #notes: Notes | undefined;
  #oldest: { readonly life: number; readonly seq: number; readonly stamp: KeptStamp } | undefined;

  constructor(options: LedgerOptions) {
    this.#options = options;
    const { files } = options;
    this.#readers = { new: new EventReader(files), replay: new EventReader(files) };
    this.#ages = new SegmentAges(files);
    this.#committer = new Committer(
      { ...options, onTail: (tail) => this.#notes?.noteTail(tail) },
      () => this.#state,
      (commit) => {
        this.settlement.committed(commit.marks);
        for (const listener of this.#listeners) listener(commit);
      },
    );
    this.settlement = new Settlement(this.#committer, () => this.#state);
  }

  /** Recovers what is there and makes ready to append. Rejects with Fault `ledger.locked`, or the disk's error. */
  async open(): Promise<void> {
    const { files } = this.#options;
    await files.lock();
    try {
      await this.#recover();
      await this.#findStrays();
    } catch (error) {
      await files.unlock();
      throw error;
    }
    this.#phase = 'open';
    this.#watchRetention();
    this.#committer.start();
  }

  async #recover(): Promise<void> {
    const { files, chance, log } = this.#options;
    await this.#syncBeforeTrusting();
    const recovered = await recover(files);
    const { state, segments, noted } = recovered;
    this.#state = state;
    await this.#keepDamage(recovered);
    this.#notes = await Notes.open(files, log);
    const oldest = segments[0];
    if (oldest !== undefined) state.startsAt(oldest.life, oldest.baseSeq);
    state.receipts = this.#options.receipts ?? false;
    const overtaken = this.#sentMoreThanKept();
    if (state.session !== undefined && (recovered.marksDoubtful || overtaken)) {
      state.session = { ...state.session, phase: 'opening' };
    }
    const lost = recovered.liveMissing || state.lives.length === 0;
    if (lost) state.startLife(Math.max(state.live?.ordinal ?? 0, noted.life) + 1, newEpochName(chance));
    const sound = recovered.damage.length === 0 && !recovered.marksDoubtful && !lost && !overtaken;
    const live = sound ? recovered.live : undefined;
    const closed = segments.filter((segment) => segment.index !== live?.header.index);
    await this.#committer.writer.adopt(closed.map(knownOf(state)), live, noted.index);
  }

  async #findStrays(): Promise<void> {
    const life = this.#state.oldestOwed;
    const { strays } = this.#committer;
    if (life === undefined || !strays.look(this.#state.pieces, this.#state.dead)) return;
    const from = life.handed.nextAbsent(life.first);
    const { events } = await new EventReader(this.#options.files)
      .read(this.#segmentsOf(life), from, life.last, STRAYS_BYTES)
      .catch(() => ({ events: [] }));
    strays.recall(life, events);
  }

  /** Never throws. `accepted` means fsynced; see `AppendResult`. */
  async append(draft: EventDraft): Promise<AppendResult> {
    if (this.#phase !== 'open') return { kind: 'refused', code: 'ledger.closed', reason: 'the ledger is closed' };
    const { clock, boot } = this.#options;
    const moment = { timeMs: clock.wallMs(), uptimeMs: Math.round(boot.uptimeMs()), clock: clock.quality() };
    const result = this.#committer.queue.add(draft, this.#state.sources, moment);
    this.#committer.scheduleAppend();
    return result;
  }

  /** To be got on with: recovery, which also reads, then what waits for a commit. A refusal gets on too. */
  get work(): Work {
    const name = 'the ledger';
    const { reads, writes } = this.#options.files.finished ?? { reads: 0, writes: 0 };
    if (this.#phase === 'new') return { name, mark: `recovery ${reads} ${writes}` };
    const { mark } = this.#committer;
    return { name, mark: mark === undefined ? undefined : `commits ${mark} ${writes}` };
  }

  /** Called after each commit, in order. */
  onCommit(listener: (commit: Commit) => void): void {
    this.#listeners.push(listener);
  }

  /** The broker has it (PUBREC). The mark is on disk when a commit says so. */
  release(life: number, seq: number): void {
    this.#committer.marks.release(life, seq);
    this.#committer.schedule();
  }

  /** Handed over (PUBCOMP). Written with the next commit, or soon. */
  handOver(life: number, seq: number): void {
    this.#committer.marks.handOver(life, seq, seq);
    this.#committer.scheduleLazily();
  }

  /** A dead letter: `code` is the broker's reason code. */
  bury(life: number, seq: number, code: number): void {
    this.#committer.marks.bury(life, seq, code);
    this.#committer.schedule();
  }

  /** Is told which streams stay behind. */
  get strays(): Pick<Strays, 'holdBack' | 'leaves' | 'died'> {
    return this.#committer.strays;
  }

  get session(): SessionMark | undefined {
    return this.#state.session;
  }

  /**
   * Resolves when the session mark is on disk. A new generation voids every `released` mark. `forgotten`: the broker may not
   * know what was handed over in older sessions; with receipts on, what is not settled is then sent again.
   */
  markSession(session: SessionMark, forgotten = false): Promise<void> {
    return this.#committer.markSession(session, forgotten && (this.#options.receipts ?? false));
  }

  /** This ledger is not what the consumer knows by its epoch (DESIGN 9.5): what comes now has another. */
  startEpoch(reason: string): void {
    const { live } = this.#state;
    if (live === undefined || live.last === 0) return;
    const epoch = newEpochName(this.#options.chance);
    const { epoch: old_epoch, last: old_last } = live;
    this.#options.log.error('ledger: a new epoch starts', { reason, old_epoch, old_last, epoch });
    this.settlement.startEpoch(epoch);
  }

  /** sha256 (base64url) of the event's bytes; undefined when it is not kept, or is damaged. */
  async hashAt(life: Life, seq: number): Promise<string | undefined> {
    if (seq === life.last && life.lastHash !== '' && !life.lost.has(seq)) return life.lastHash;
    if (seq < life.first || seq > life.last || life.lost.has(seq)) return undefined;
    const { events } = await new EventReader(this.#options.files).read(this.#segmentsOf(life), seq, seq, 1);
    const event = events.find((found) => found.seq === seq);
    return event === undefined ? undefined : eventHash(event.payload);
  }

  /** Notes that events through `seq` may have left in this session. Survives kill -9, not a power cut. */
  noteSent(generation: number, life: number, seq: number): void {
    this.#notes?.noteSent(generation, life, seq);
  }

  /** The newest sequence that may have left in this session; 0: none. */
  sentThrough(generation: number, life: number): number {
    return this.#notes?.sentThrough(generation, life) ?? 0;
  }

  /** The oldest life with new events, else the live one. Its marks are those on stable storage. */
  get drainingLife(): Life | undefined {
    return this.#state.lives.find((life) => freshCount(life) > 0) ?? this.#state.live;
  }

  /** Events of `life` from `from` on, on stable storage, about `bytesMax` of them; `next` says where to go on. */
  async read(
    life: Life,
    from: number,
    bytesMax: number,
    lane: ReadLane = 'new',
  ): Promise<{ events: readonly StoredEvent[]; next: number }> {
    const ours = this.#segmentsOf(life);
    const { events, missing, next } = await this.#readers[lane].read(ours, from, life.last, bytesMax);
    for (const [start, through] of missing) this.#declareLost(life, start, through);
    return { events, next };
  }

  #segmentsOf(life: Life): ReadableSegment[] {
    const { closed, live } = this.#committer.writer;
    return readableSegments(life, closed, live, this.#state);
  }

  #closedSegments(): ReadableSegment[] {
    const live = this.#committer.writer.live?.header.index;
    return this.#state.lives.flatMap((life) =>
      this.#segmentsOf(life)
        .filter(({ index }) => index !== live)
        .map((segment) => ({ ...segment, through: Math.min(segment.through, life.last) })),
    );
  }

  get figures(): LedgerFigures {
    const { live, lives } = this.#state;
    const { refusals, strays } = this.#committer;
    const unsent = lives.reduce((sum, life) => sum + pendingCount(life), 0);
    return {
      epoch: live?.epoch ?? '',
      first: live?.first ?? 0,
      last: live?.last ?? 0,
      older: olderEpochs(lives),
      unsent,
      unsettled: lives.reduce((sum, life) => sum + unsettledCount(life, this.#state.receipts), 0),
      dead: this.#state.dead,
      bytes: this.#committer.writer.usedBytes,
      refusing: refusals.now ?? strays.refusals.now,
      refused: refusals.count + strays.refusals.count,
      accepted: this.#committer.accepted,
      quarantined: this.#quarantined,
    };
  }

  /** Age of the oldest event that is not handed over, milliseconds; undefined when there is none. */
  async oldestUnsentMs(): Promise<number | undefined> {
    const life = this.#state.oldestOwed;
    const seq = life?.handed.nextAbsent(life.first) ?? 0;
    if (life === undefined || seq > life.last) return undefined;
    if (this.#oldest?.life !== life.ordinal || this.#oldest.seq !== seq) {
      const { events } = await new EventReader(this.#options.files).read(this.#segmentsOf(life), seq, life.last, 1);
      const event = events[0];
      if (event === undefined) return undefined;
      this.#oldest = { life: life.ordinal, seq, stamp: parseStamp(event.payload) };
    }
    const { clock, boot } = this.#options;
    return ageOf(this.#oldest.stamp, {
      wallMs: clock.wallMs(),
      clock: clock.quality(),
      boot: boot.id,
      uptimeMs: boot.uptimeMs(),
    });
  }

  /** Commits what waits, then closes. Appends that come now are refused. */
  async close(): Promise<void> {
    if (this.#phase !== 'open') return;
    this.#phase = 'closed';
    this.#retention?.cancel();
    try {
      await this.#dropping;
      await this.#committer.stop();
      await this.#notes?.close();
    } finally {
      await this.#options.files.unlock();
    }
  }

  /** What a process reads after a kill may be in the page cache only; a power cut would take it back (DESIGN 8.7). */
  async #syncBeforeTrusting(): Promise<void> {
    const { files } = this.#options;
    const segments = (await files.list()).filter((file) => file.name.endsWith('.seg'));
    for (const { name } of segments) await files.sync(name);
    await files.syncDirectory();
  }

  /** Something left that the ledger does not have: its end was lost, and its numbers are not used again. */
  #sentMoreThanKept(): boolean {
    const { session } = this.#state;
    const life = session === undefined ? undefined : this.#state.life(session.life);
    if (session === undefined || life === undefined) return false;
    const through = this.sentThrough(session.generation, session.life);
    if (through <= life.last) return false;
    this.#options.log.error('ledger: events were sent that are not kept any more', { from: life.last + 1, through });
    this.#state.declareGap(life, life.last + 1, through, 'damage');
    return true;
  }

  async #keepDamage(recovered: Recovered): Promise<void> {
    for (const { segment, at, end, what, bytes } of recovered.damage) {
      if (bytes.length > 0 && (await this.#options.files.quarantine(`${segment}-at-${at}.bin`, bytes))) {
        this.#quarantined += 1;
      }
      this.#options.log.error(`ledger segment ${segment}: bytes ${at} to ${end}: ${what}`);
    }
  }

  #declareLost(life: Life, from: number, through: number): void {
    let seq = life.handed.nextAbsent(from);
    while (seq <= through) {
      let end = seq;
      while (end < through && !life.handed.has(end + 1)) end += 1;
      this.#options.log.error('ledger: events are damaged and lost', { epoch: life.epoch, from: seq, through: end });
      this.#committer.marks.handOver(life.ordinal, seq, end);
      this.#state.declareGap(life, seq, end, 'damage');
      seq = life.handed.nextAbsent(end + 1);
    }
    this.#committer.schedule();
  }

  #watchRetention(): void {
    this.#retention = this.#options.clock.after(RETENTION_CHECK_MS, () => {
      this.#dropping = this.#dropAged()
        .catch((error: unknown) => {
          this.#options.log.error('ledger: retention failed', { reason: reasonOf(error) });
        })
        .finally(() => {
          if (this.#phase === 'open') this.#watchRetention();
        });
    });
  }

  /** `retain` is judged only by a synchronised clock (DESIGN 9.5). */
  async #dropAged(): Promise<void> {
    const { clock, retainMs } = this.#options;
    while (this.#phase === 'open' && clock.quality() === 'synced') {
      const endedMs = await this.#ages.ofOldest(this.#closedSegments());
      if (endedMs === undefined || endedMs >= clock.wallMs() - retainMs) return;
      if (!(await this.#committer.oldest.drop())) return;
    }
  }
}

function knownOf(state: LedgerState): (segment: Recovered['segments'][number]) => KnownSegment {
  return (segment) => ({
    ...segment,
    used: Math.min(segment.bytes, state.ends.get(segment.index) ?? segment.bytes),
  });
}
