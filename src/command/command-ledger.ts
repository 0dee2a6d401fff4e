/**
 * The command ledger: each changing command that is run, on disk before it runs, and its outcome before it is answered. What
 * a restart finds without an outcome is in doubt from then on and is never run a second time. An outcome is kept for
 * seven days at least; when there is no room without forgetting a younger one, a new command is not begun. Reading
 * commands are not here: running them again is harmless, and a dashboard that polls must not wear a memory card. While the
 * disk does not give what is there, nothing is begun: it may have run already.
 */
import * as v from 'valibot';
import { reasonOf } from '../fault.ts';
import type { Chance, Clock, Log, StateDocument, StateStore } from '../ports.ts';
import type { Recalled } from './outcomes.ts';
import { COMMAND_STATUSES, type Outcome } from './response.ts';
import { SignerCounters } from './signer-counters.ts';
import type { SignedBy } from './authorise.ts';

const KEPT_MS = 7 * 86_400_000;
/** Changing commands of a week: one every ten minutes. Each costs two writes of the whole document. */
const RECORDS_MAX = 1000;
/** With what signed ones have, little more than half of what a state document may have: it can always be written. */
const BYTES_MAX = 512 * 1024;
/** For signed ones beyond that: whoever asks for harmless things without end must not shut out those who come to help. */
const SIGNED_ALONE = { records: 100, bytes: 64 * 1024 };
/** Of one outcome. Room for it is kept while its command runs, so that it never lacks. */
const OUTCOME_BYTES_MAX = 4096;
/** Of an error's message where the whole outcome is too large; escaped, a letter may take six bytes. */
const MESSAGE_LETTERS_MAX = 500;

const NOT_OPEN = 'the command ledger is not open';

const IN_DOUBT: Outcome = {
  status: 'in_doubt',
  error: {
    code: 'command.in-doubt',
    message:
      'the agent ended while this ran: it may be done, in part or not at all, and is not run again; use a new id',
  },
};

const outcomeSchema = v.object({
  status: v.picklist(COMMAND_STATUSES),
  result: v.exactOptional(v.unknown()),
  error: v.exactOptional(v.object({ code: v.string(), message: v.string() })),
});

const recordSchema = v.object({
  /** Counts the commands of this document; with its `epoch` a name for the audit. */
  number: v.pipe(v.number(), v.safeInteger()),
  command: v.string(),
  id: v.string(),
  /** sha256 of the request's bytes, base64url. */
  request: v.string(),
  by: v.exactOptional(v.string()),
  /** Who signed it, and the number of it. */
  signed: v.exactOptional(v.object({ principal: v.string(), key: v.string(), n: v.number() })),
  /** Where it is to be answered, and with what: for a run that goes on after a restart. */
  topic: v.exactOptional(v.string()),
  correlation: v.exactOptional(v.string()),
  /** Of the device's own schedule: nobody delivers it again, so it gives room whenever that is needed. */
  own: v.exactOptional(v.literal(true)),
  /** When it began, wall milliseconds; absent while the clock was never set. */
  atMs: v.exactOptional(v.number()),
  /** Absent: it runs. */
  outcome: v.exactOptional(outcomeSchema),
});

const documentSchema = v.object({
  epoch: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  last: v.pipe(v.number(), v.safeInteger()),
  records: v.array(recordSchema),
  /** The highest number that each key has used in a signed request, by fingerprint. */
  counters: v.exactOptional(v.record(v.string(), v.pipe(v.number(), v.safeInteger()))),
});

export interface CommandRecord {
  readonly number: number;
  readonly command: string;
  readonly id: string;
  readonly request: string;
  readonly by?: string;
  readonly signed?: SignedBy;
  readonly topic?: string;
  /** Correlation data, base64. */
  readonly correlation?: string;
  readonly own?: true;
  readonly atMs?: number;
  readonly outcome?: Outcome;
}

/** Of a record, what its request says. */
export interface BegunRequest {
  readonly command: string;
  readonly id: string;
  readonly request: string;
  readonly by: string | undefined;
  readonly signed: SignedBy | undefined;
  readonly own: true | undefined;
  readonly topic: string;
  readonly correlation: string | undefined;
}

interface CommandDocument {
  readonly epoch: string;
  readonly last: number;
  readonly records: readonly CommandRecord[];
  readonly counters?: Readonly<Record<string, number>>;
}

export type Begun =
  | { readonly kind: 'begun' }
  /** Every outcome is younger than seven days. */
  | { readonly kind: 'full' }
  | { readonly kind: 'disk'; readonly reason: string };

export interface CommandLedgerOptions {
  readonly state: StateStore;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly log: Log;
}

export class CommandLedger {
  readonly #options: CommandLedgerOptions;
  /** Oldest first. */
  readonly #records = new Map<string, CommandRecord>();
  readonly #counters = new SignerCounters();
  #document: StateDocument<CommandDocument> | undefined;
  #writing: Promise<void> | undefined;
  /** What is there could not be read at the start. */
  #isUnread = false;
  #reading: Promise<string | undefined> | undefined;
  #epoch = '';
  #last = 0;

  constructor(options: CommandLedgerOptions) {
    this.#options = options;
  }

  /** `goesOn`: whether a command that was cut off knows how to go on; it then runs, else it is in doubt. */
  async open(goesOn: (record: CommandRecord) => boolean): Promise<void> {
    const { state, chance } = this.#options;
    const initial = { epoch: chance.bytes(8).toString('hex'), last: 0, records: [] };
    const document = await state.open<CommandDocument>('commands', parseDocument, initial);
    this.#isUnread = (await document.readAgain?.()) !== undefined;
    this.#load(document.value, goesOn);
    this.#document = document;
  }

  #load({ epoch, last, records, counters = {} }: CommandDocument, goesOn: (record: CommandRecord) => boolean): void {
    const { log } = this.#options;
    this.#counters.restore(counters);
    this.#epoch = epoch;
    this.#last = last;
    let cutOff = 0;
    for (const record of records) {
      const isRunning = record.outcome === undefined && goesOn(record);
      if (record.outcome === undefined && !isRunning) cutOff += 1;
      this.#put(isRunning ? record : { ...record, outcome: record.outcome ?? IN_DOUBT });
    }
    if (cutOff > 0) log.warn('changing commands were cut off by the end of the agent: in doubt', { commands: cutOff });
  }

  /** Why it is not known whether this has run before, or that it had better be asked again; undefined: it has not. */
  async #unread(asked: Partial<BegunRequest>): Promise<string | undefined> {
    this.#reading ??= this.#readAgain().finally(() => {
      this.#reading = undefined;
    });
    const reason = await this.#reading;
    if (reason !== undefined) return reason;
    const { command = '', id = '', signed } = asked;
    const isKnown = this.#records.has(keyOf({ command, id }));
    const isUsed = signed !== undefined && signed.n <= this.counterOf(signed.key);
    return isKnown || isUsed ? 'what had run before could only be read now: ask again' : undefined;
  }

  /** Of what is read at last, a command that would have gone on at the start is in doubt. */
  async #readAgain(): Promise<string | undefined> {
    const document = this.#document;
    if (!this.#isUnread) return undefined;
    const reason = await document?.readAgain?.();
    if (document === undefined || reason !== undefined) return reason ?? NOT_OPEN;
    this.#isUnread = false;
    this.#load(document.value, () => false);
    this.#options.log.info('the command ledger is read at last', { commands: this.#records.size });
    return undefined;
  }

  /** Resolves when no write is under way; none begins after it. */
  async close(): Promise<void> {
    this.#document = undefined;
    await this.#writing;
  }

  /** Names this document's life, by chance: `number` counts within it. */
  get epoch(): string {
    return this.#epoch;
  }

  /** Those that have an outcome, oldest first. */
  get ended(): readonly CommandRecord[] {
    return [...this.#records.values()].filter(({ outcome }) => outcome !== undefined);
  }

  recall(command: string, id: string, request: string): Recalled {
    const record = this.#records.get(keyOf({ command, id }));
    if (record === undefined) return { kind: 'new' };
    if (record.request !== request) return { kind: 'other' };
    return record.outcome === undefined ? { kind: 'running' } : { kind: 'done', outcome: record.outcome };
  }

  /** `begun`: it is on disk that this command runs. Otherwise nothing of it is kept. Known at once to `recall`. */
  async begin(request: BegunRequest): Promise<Begun> {
    const unknown = this.#isUnread ? await this.#unread(request) : undefined;
    if (unknown !== undefined) return { kind: 'disk', reason: unknown };
    if (this.#document === undefined) return { kind: 'disk', reason: NOT_OPEN };
    const nowMs = this.#nowMs();
    if (nowMs !== undefined) this.#date(nowMs);
    const { by, own, correlation, signed, ...asked } = request;
    const record: CommandRecord = {
      ...asked,
      number: this.#last + 1,
      ...(by === undefined ? {} : { by }),
      ...(signed === undefined ? {} : { signed }),
      ...(own === undefined ? {} : { own }),
      ...(correlation === undefined ? {} : { correlation }),
      ...(nowMs === undefined ? {} : { atMs: nowMs }),
    };
    if (!this.#makeRoom(record, nowMs)) return { kind: 'full' };
    this.#last = record.number;
    this.#put(record);
    const takeBack = signed === undefined ? undefined : this.#counters.raise(signed);
    try {
      await this.#write();
      return { kind: 'begun' };
    } catch (error) {
      // It may be on disk all the same, and is then in doubt after a restart: never run, and never run twice.
      this.#records.delete(keyOf(record));
      takeBack?.();
      return { kind: 'disk', reason: reasonOf(error) };
    }
  }

  /** The highest number that a key has used. Known at once, on disk when `begin` or `count` says so. */
  counterOf(key: string): number {
    return this.#counters.of(key);
  }

  /** A signed request that is not kept otherwise has its number on disk. The reason, where it could not be put there. */
  async count(signed: SignedBy): Promise<string | undefined> {
    const unknown = this.#isUnread ? await this.#unread({ signed }) : undefined;
    if (unknown !== undefined) return unknown;
    if (this.#document === undefined) return NOT_OPEN;
    const takeBack = this.#counters.raise(signed);
    try {
      await this.#write();
      return undefined;
    } catch (error) {
      takeBack();
      return reasonOf(error);
    }
  }

  /**
   * Resolves with the record when its outcome is on disk, or could not be put there, which the log tells: then it is so
   * with the next write, and in doubt after a restart before that.
   */
  async end(command: string, id: string, outcome: Outcome): Promise<CommandRecord | undefined> {
    const running = this.#records.get(keyOf({ command, id }));
    if (running === undefined) return undefined;
    const record = { ...running, outcome: keepable(outcome) };
    this.#put(record);
    try {
      await this.#write();
    } catch (error) {
      this.#options.log.error('outcome of a command not kept', { command, id, reason: reasonOf(error) });
    }
    return record;
  }

  /** Undefined: a clock that was never set says nothing. */
  #nowMs(): number | undefined {
    const { clock } = this.#options;
    return clock.quality() === 'unknown' ? undefined : clock.wallMs();
  }

  /** What began without a clock, or by one that went ahead, counts from now on. */
  #date(nowMs: number): void {
    for (const record of this.#records.values()) {
      if ((record.atMs ?? Infinity) > nowMs) this.#put({ ...record, atMs: nowMs });
    }
  }

  /** Forgets the oldest outcomes as far as it must and may; by count alone while there is no clock. */
  #makeRoom(fresh: CommandRecord, nowMs: number | undefined): boolean {
    const more = fresh.signed === undefined ? { records: 0, bytes: 0 } : SIGNED_ALONE;
    let used = roomOf(fresh);
    for (const record of this.#records.values()) used += roomOf(record);
    while (this.#records.size >= RECORDS_MAX + more.records || used > BYTES_MAX + more.bytes) {
      const oldest = this.ended.find((record) => mayForget(record, nowMs));
      if (oldest === undefined) return false;
      this.#records.delete(keyOf(oldest));
      used -= roomOf(oldest);
    }
    return true;
  }

  #put(record: CommandRecord): void {
    this.#records.set(keyOf(record), record);
  }

  async #write(): Promise<void> {
    const records = [...this.#records.values()];
    const written = this.#document?.write({
      epoch: this.#epoch,
      last: this.#last,
      records,
      counters: this.#counters.kept,
    });
    this.#writing = written?.catch(() => undefined);
    await written;
  }
}

function parseDocument(found: unknown): CommandDocument | undefined {
  const parsed = v.safeParse(documentSchema, found);
  return parsed.success ? parsed.output : undefined;
}

function keyOf({ command, id }: Pick<CommandRecord, 'command' | 'id'>): string {
  return `${command} ${id}`;
}

function mayForget({ own, atMs }: CommandRecord, nowMs: number | undefined): boolean {
  return own === true || nowMs === undefined || nowMs - (atMs ?? nowMs) >= KEPT_MS;
}

/** Bytes in the document, with those that its outcome may yet need. */
function roomOf(record: CommandRecord): number {
  const bytes = Buffer.byteLength(JSON.stringify(record), 'utf8') + 1;
  return record.outcome === undefined ? bytes + OUTCOME_BYTES_MAX : bytes;
}

/** A result that is too large to keep is left out: asked again, the command is known to be done. */
function keepable(outcome: Outcome): Outcome {
  if (Buffer.byteLength(JSON.stringify(outcome), 'utf8') <= OUTCOME_BYTES_MAX) return outcome;
  const { status, error } = outcome;
  if (error === undefined) return { status };
  return { status, error: { code: error.code, message: error.message.slice(0, MESSAGE_LETTERS_MAX) } };
}
