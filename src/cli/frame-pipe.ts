/**
 * Bytes to decoded frames, without a line: what `decode` and `replay --decode` do with bytes from elsewhere. The framer
 * and decoder are those of the sensor as the agent would run it; whatever makes no record is counted.
 */
import { parseJson } from '../platform/json.ts';
import { decoderOf, passesWhenTorn } from '../sensor/decoder.ts';
import type { DecodedRecord, Decoder } from '../sensor/record.ts';
import { framersOf } from '../serial/framers.ts';
import type { CreateFramer, Framer, FramerOutput } from '../serial/framer.ts';
import { Fault } from '../fault.ts';
import { countText } from './reading-text.ts';
import type { Sensor } from './sensor-choice.ts';

export interface DecodedFrame {
  /** From 1, of the frames that were decoded. */
  readonly frame: number;
  readonly record: DecodedRecord;
}

/** As the agent judges a line: bytes this soon after its opening may be the end of a frame. */
const TORN_MS = 50;

export class FramePipe {
  readonly #createFramer: CreateFramer;
  readonly #decode: Decoder;
  readonly #passesWhenTorn: boolean;
  #framer: Framer | undefined;
  #openedMs: number | undefined;
  #lastMs: number | undefined;
  #bytes = 0;
  #frames = 0;
  readonly #invalid = new Map<string, number>();
  readonly #discarded = new Map<string, number>();

  /** Throws Fault `usage` for a sensor whose bytes have no frames of their own. */
  constructor({ id, framing, check, decode, modbus }: Sensor) {
    if (modbus !== undefined) {
      const why = 'Modbus answers mean nothing without their requests: use read, which asks';
      throw new Fault('usage', `${id}: ${why}`);
    }
    this.#createFramer = framersOf(framing, check);
    this.#decode = decoderOf(decode, parseJson);
    this.#passesWhenTorn = passesWhenTorn(decode);
  }

  /** A connection that was opened at `atMs`, after whatever came on the one before. */
  open(atMs: number): readonly DecodedFrame[] {
    const frames = this.end();
    this.#openedMs = atMs;
    return frames;
  }

  /** `atMs`: when the bytes came, on any clock that only rises; undefined: not known, and time ends no frame. */
  push(chunk: Buffer, atMs?: number): readonly DecodedFrame[] {
    this.#bytes += chunk.length;
    const framer = (this.#framer ??= this.#createFramer(this.#startsTorn(atMs)));
    const wasSilent =
      framer.silenceMs !== undefined &&
      atMs !== undefined &&
      this.#lastMs !== undefined &&
      atMs - this.#lastMs >= framer.silenceMs;
    this.#lastMs = atMs;
    return [...(wasSilent ? this.#take(framer.silence?.() ?? []) : []), ...this.#take(framer.push(chunk))];
  }

  /** The end of the bytes is silence too. */
  end(): readonly DecodedFrame[] {
    const framer = this.#framer;
    this.#framer = undefined;
    this.#lastMs = undefined;
    if (framer === undefined) return [];
    return this.#take([...(framer.silence?.() ?? []), ...framer.end()]);
  }

  /** There were bytes, and not one record. */
  get isFruitless(): boolean {
    return this.#bytes > 0 && this.#frames === 0;
  }

  /** `12 frames decoded; 1 invalid (1 not JSON); 35 of 1200 bytes discarded (30 noise, 5 check)` */
  get summary(): string {
    const invalid = countsText(this.#invalid);
    const discarded = countsText(this.#discarded);
    return [
      `${countText(this.#frames, 'frame')} decoded`,
      ...(invalid === '' ? [] : [`${sumOf(this.#invalid)} invalid (${invalid})`]),
      ...(discarded === '' ? [] : [`${sumOf(this.#discarded)} of ${this.#bytes} bytes discarded (${discarded})`]),
    ].join('; ');
  }

  #startsTorn(atMs: number | undefined): boolean {
    if (!this.#passesWhenTorn || this.#openedMs === undefined || atMs === undefined) return false;
    return atMs - this.#openedMs < TORN_MS;
  }

  #take(outputs: readonly FramerOutput[]): readonly DecodedFrame[] {
    const frames: DecodedFrame[] = [];
    for (const output of outputs) {
      if (output.kind === 'discarded') {
        count(this.#discarded, output.reason, output.count);
        continue;
      }
      const decoded = this.#decode(output.body);
      if (decoded.kind === 'invalid') {
        count(this.#invalid, decoded.reason, 1);
        continue;
      }
      this.#frames += 1;
      frames.push({ frame: this.#frames, record: decoded.record });
    }
    return frames;
  }
}

/** Reasons are few fixed words, so the map is bounded. */
function count(counts: Map<string, number>, reason: string, by: number): void {
  counts.set(reason, (counts.get(reason) ?? 0) + by);
}

function sumOf(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, each) => sum + each, 0);
}

function countsText(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([reason, each]) => `${each} ${reason}`).join(', ');
}
