/**
 * The sent note: the newest sequence that may have left in the present broker session, so that after kill -9 a resend
 * carries DUP=1 only when the event was sent (EMQX 6.2.0 to 6.2.3 drop a DUP=1 they never saw, emqx#18441). It is written
 * before each burst of PUBLISHes into the page cache; two slots in turn, so a torn one leaves the other.
 *
 *   0              4       8          16      20      24
 *   +--------------+-------+----------+-------+-------+
 *   | generation   | life  | seq      | CRC   | zeros |   slot 0 at 0, slot 1 at 32
 *   | u32          | u32   | u64      | u32   |       |
 *   +--------------+-------+----------+-------+-------+
 */
import { crc32c } from './crc32c.ts';
import type { LedgerFiles, NoteFile } from './files.ts';
import { readU64, writeU64 } from './frame.ts';

const FILE_NAME = 'sent';
const SLOT_BYTES = 32;

interface SentNote {
  readonly generation: number;
  readonly life: number;
  readonly seq: number;
}

export class SentNotes {
  readonly #file: NoteFile;
  #notes: readonly SentNote[];
  #slot = 0;

  private constructor(file: NoteFile, notes: readonly SentNote[]) {
    this.#file = file;
    this.#notes = notes;
  }

  static async open(files: LedgerFiles): Promise<SentNotes> {
    const known = (await files.list()).some((file) => file.name === FILE_NAME);
    if (known) await files.sync(FILE_NAME);
    const notes = known ? decode(await files.read(FILE_NAME, 0, 2 * SLOT_BYTES)) : [];
    return new SentNotes(await files.openNote(FILE_NAME), notes);
  }

  /** Notes that events through `seq` may have left in this session. */
  note(generation: number, life: number, seq: number): void {
    this.#file.write(encode({ generation, life, seq }), this.#slot * SLOT_BYTES);
    this.#slot = 1 - this.#slot;
    this.#notes = [{ generation, life, seq }];
  }

  /** The newest sequence that may have left in this session; 0: none. */
  through(generation: number, life: number): number {
    const ours = this.#notes.filter((note) => note.generation === generation && note.life === life);
    return Math.max(0, ...ours.map((note) => note.seq));
  }

  close(): void {
    this.#file.close();
  }
}

function encode(note: SentNote): Buffer {
  const bytes = Buffer.alloc(SLOT_BYTES);
  bytes.writeUInt32LE(note.generation, 0);
  bytes.writeUInt32LE(note.life, 4);
  writeU64(bytes, note.seq, 8);
  bytes.writeUInt32LE(crc32c(bytes, 0, 16), 16);
  return bytes;
}

function decode(bytes: Buffer): SentNote[] {
  const notes: SentNote[] = [];
  for (let at = 0; at + SLOT_BYTES <= bytes.length; at += SLOT_BYTES) {
    const generation = bytes.readUInt32LE(at);
    if (generation === 0 || bytes.readUInt32LE(at + 16) !== crc32c(bytes, at, at + 16)) continue;
    notes.push({ generation, life: bytes.readUInt32LE(at + 4), seq: readU64(bytes, at + 8) });
  }
  return notes;
}
