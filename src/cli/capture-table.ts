/** What a capture shows while it runs: the newest value of each reading, how often it comes, and what did not decode. */
import type { Reading } from '../sensor/route.ts';
import { valueText } from './reading-text.ts';

/** More names than this are only counted. */
const NAMES_MAX = 200;

interface Row {
  readonly reading: Reading;
  readonly count: number;
  readonly atMs: number;
}

/** The lines above the rows. */
export interface TableHead {
  readonly port: string;
  readonly bytes: number;
  readonly frames: number;
  /** What did not become a reading, as a text; empty: nothing. */
  readonly trouble: string;
}

export class CaptureTable {
  readonly #startedMs: number;
  readonly #rows = new Map<string, Row>();

  /** Times are of any clock that only rises, milliseconds. */
  constructor(startedMs: number) {
    this.#startedMs = startedMs;
  }

  take(readings: readonly Reading[], atMs: number): void {
    for (const reading of readings) {
      const count = this.#rows.get(reading.name)?.count ?? 0;
      if (count > 0 || this.#rows.size < NAMES_MAX) this.#rows.set(reading.name, { reading, count: count + 1, atMs });
    }
  }

  /** At most `rows` lines of at most `columns` characters. */
  lines({ port, bytes, frames, trouble }: TableHead, nowMs: number, rows: number, columns: number): readonly string[] {
    const seconds = Math.max(0.001, (nowMs - this.#startedMs) / 1000);
    const rate = (count: number): string => (count / seconds).toFixed(count / seconds < 10 ? 1 : 0);
    const head = [
      `${port}  ${Math.floor(seconds)} s  ${bytes} bytes (${rate(bytes)}/s)  ${frames} frames (${rate(frames)}/s)`,
      ...(trouble === '' ? [] : [trouble]),
    ];
    const room = Math.max(0, rows - head.length - 1);
    const all = [...this.#rows.values()];
    const width = Math.max(0, ...all.map(({ reading }) => reading.name.length));
    const shown = all.slice(0, room).map(({ reading, count, atMs }) => {
      const age = ((nowMs - atMs) / 1000).toFixed(1);
      return `${reading.name.padEnd(width)}  ${valueText(reading).padEnd(20)}  ${rate(count).padStart(6)}/s  ${age} s ago`;
    });
    const hidden = all.length - shown.length;
    const lines = [...head, ...shown, ...(hidden > 0 ? [`and ${hidden} more`] : [])];
    return lines.map((line) => line.slice(0, columns));
  }
}
