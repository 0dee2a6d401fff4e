/**
 * The notes: two small facts that are written into the page cache at once and synced only when the ledger closes, so
 * they survive kill -9 and a clean stop; after a power cut they may be behind, never ahead. `sent` is the newest sequence
 * that may have left in the present broker session, so that a resend carries DUP=1 only when the event was sent (EMQX
 * 6.2.0 to 6.2.3 drop a DUP=1 they never saw, emqx#18441). `tail` is where the last finished commit ended: a second
 * witness, in another file, by which recovery tells a damaged end from a torn one and misses a segment that is gone.
 * Each has two slots that are written in turn, so a torn one leaves the other.
 *
 *   0              4       8          16      20      24
 *   +--------------+-------+----------+-------+-------+
 *   | generation   | life  | seq      | CRC   | zeros |   sent: slots at 0 and 32; CRC over 0..16
 *   | u32          | u32   | u64      | u32   |       |
 *   +--------------+-------+----------+-------+-------+
 *   | life         | end   | index    | seq      | CRC   | zeros |   tail: slots at 64 and 96; CRC over 0..24
 *   | u32          | u32   | u64      | u64      | u32   |       |   (index at 8, seq at 16, CRC at 24)
 *   +--------------+-------+----------+----------+-------+-------+
 */
import { reasonOf } from '../fault.ts';
import type { Log } from '../ports.ts';
import { crc32c } from './crc32c.ts';
import type { LedgerFiles, LedgerReader, NoteFile } from './files.ts';
import { readU64, writeU64 } from './frame.ts';

const FILE_NAME = 'notes';
const FILE_BYTES = 128;
const SLOT_BYTES = 32;
const TAIL_AT = 64;

interface SentNote {
  readonly generation: number;
  readonly life: number;
  readonly seq: number;
}

/** Where the newest finished commit ended: segment, offset, and the newest sequence used. */
export interface TailNote {
  readonly life: number;
  readonly index: number;
  readonly end: number;
  readonly seq: number;
}

export class Notes {
  readonly #files: LedgerFiles;
  readonly #log: Log;
  #file: NoteFile | undefined;
  #sent: readonly SentNote[];
  #sentSlot = 0;
  #tailSlot = 0;

  private constructor(files: LedgerFiles, log: Log, file: NoteFile | undefined, sent: readonly SentNote[]) {
    this.#files = files;
    this.#log = log;
    this.#file = file;
    this.#sent = sent;
  }

  /** Never rejects: a disk that has no room for the notes costs only what they would have added. */
  static async open(files: LedgerFiles, log: Log): Promise<Notes> {
    try {
      const bytes = await readNotes(files);
      if (bytes.length < FILE_BYTES) await files.makeZeroed(FILE_NAME, FILE_BYTES);
      else await files.sync(FILE_NAME);
      return new Notes(files, log, await files.openNote(FILE_NAME), decodeSent(bytes));
    } catch (error) {
      log.warn('ledger: the notes file can not be used', { reason: reasonOf(error) });
      return new Notes(files, log, undefined, []);
    }
  }

  /** Notes that events through `seq` may have left in this session. */
  noteSent(generation: number, life: number, seq: number): void {
    this.#write(encodeSent({ generation, life, seq }), this.#sentSlot * SLOT_BYTES);
    this.#sentSlot = 1 - this.#sentSlot;
    this.#sent = [{ generation, life, seq }];
  }

  /** The newest sequence that may have left in this session; 0: none. */
  sentThrough(generation: number, life: number): number {
    const ours = this.#sent.filter((note) => note.generation === generation && note.life === life);
    return Math.max(0, ...ours.map((note) => note.seq));
  }

  noteTail(tail: TailNote): void {
    this.#write(encodeTail(tail), TAIL_AT + this.#tailSlot * SLOT_BYTES);
    this.#tailSlot = 1 - this.#tailSlot;
  }

  /** Syncs: after a clean stop the notes are exact. */
  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    if (file === undefined) return;
    file.close();
    await this.#files.sync(FILE_NAME).catch((error: unknown) => {
      this.#log.warn('ledger: the notes could not be synced', { reason: reasonOf(error) });
    });
  }

  #write(bytes: Buffer, at: number): void {
    try {
      this.#file?.write(bytes, at);
    } catch (error) {
      this.#log.warn('ledger: the notes can not be written; going on without them', { reason: reasonOf(error) });
      this.#file?.close();
      this.#file = undefined;
    }
  }
}

/** The newest sound tail note, or undefined. */
export async function readTailNote(files: LedgerReader): Promise<TailNote | undefined> {
  const bytes = await readNotes(files).catch(() => Buffer.alloc(0));
  const tails = slotsOf(bytes.subarray(TAIL_AT, FILE_BYTES)).flatMap((slot) => {
    if (slot.readUInt32LE(0) === 0 || slot.readUInt32LE(24) !== crc32c(slot, 0, 24)) return [];
    const [life, end] = [slot.readUInt32LE(0), slot.readUInt32LE(4)];
    return [{ life, end, index: readU64(slot, 8), seq: readU64(slot, 16) }];
  });
  return tails.sort((a, b) => a.index - b.index || a.end - b.end).at(-1);
}

async function readNotes(files: LedgerReader): Promise<Buffer> {
  const known = (await files.list()).some((file) => file.name === FILE_NAME);
  return known ? files.read(FILE_NAME, 0, FILE_BYTES) : Buffer.alloc(0);
}

function decodeSent(bytes: Buffer): SentNote[] {
  return slotsOf(bytes.subarray(0, TAIL_AT)).flatMap((slot) => {
    const generation = slot.readUInt32LE(0);
    if (generation === 0 || slot.readUInt32LE(16) !== crc32c(slot, 0, 16)) return [];
    return [{ generation, life: slot.readUInt32LE(4), seq: readU64(slot, 8) }];
  });
}

function slotsOf(bytes: Buffer): Buffer[] {
  const slots: Buffer[] = [];
  for (let at = 0; at + SLOT_BYTES <= bytes.length; at += SLOT_BYTES) slots.push(bytes.subarray(at, at + SLOT_BYTES));
  return slots;
}

function encodeSent(note: SentNote): Buffer {
  const bytes = Buffer.alloc(SLOT_BYTES);
  bytes.writeUInt32LE(note.generation, 0);
  bytes.writeUInt32LE(note.life, 4);
  writeU64(bytes, note.seq, 8);
  bytes.writeUInt32LE(crc32c(bytes, 0, 16), 16);
  return bytes;
}

function encodeTail(tail: TailNote): Buffer {
  const bytes = Buffer.alloc(SLOT_BYTES);
  bytes.writeUInt32LE(tail.life, 0);
  bytes.writeUInt32LE(tail.end, 4);
  writeU64(bytes, tail.index, 8);
  writeU64(bytes, tail.seq, 16);
  bytes.writeUInt32LE(crc32c(bytes, 0, 24), 24);
  return bytes;
}
