/**
 * A virtual fuel pump: sells fuel, numbers its sales, writes each as a JSON line and repeats it until the line
 * `ACK <boot> <seq>` comes back. It remembers what it sold and what was acknowledged, which makes it the witness of a
 * run: an acknowledged sale was accepted and must be billed exactly once. Knows neither time nor line: `tick` is told the
 * time, `write` is handed in.
 */
import type { Random } from './random.ts';

/** A line without an end longer than this is noise: the answer is short. */
const ANSWER_BYTES_MAX = 4096;

export interface Sale {
  readonly boot: string;
  readonly seq: number;
  readonly ml: number;
  readonly cents: number;
}

export interface FuelPumpOptions {
  /** Names this life of the pump; its sales are numbered from 1 in it. */
  readonly boot: string;
  /** Sales written and not acknowledged; 1 is stop and wait. Further ones queue. */
  readonly window: number;
  readonly repeatMs: number;
  readonly random: Random;
  /** False: the line takes nothing now; the pump tries again at its next repeat. */
  readonly write: (text: string) => boolean;
}

interface InFlight {
  readonly sale: Sale;
  writtenMs: number | undefined;
}

export class FuelPump {
  readonly #options: FuelPumpOptions;
  readonly #sales: Sale[] = [];
  readonly #accepted: Sale[] = [];
  readonly #queued: Sale[] = [];
  readonly #inFlight = new Map<number, InFlight>();
  #repeats = 0;
  #answer = '';

  constructor(options: FuelPumpOptions) {
    this.#options = options;
  }

  /** Every sale made, in order. */
  get sales(): readonly Sale[] {
    return this.#sales;
  }

  /** Those that were acknowledged, in the order of the acknowledgements. */
  get accepted(): readonly Sale[] {
    return this.#accepted;
  }

  /** Made, and not acknowledged yet. */
  get waiting(): number {
    return this.#queued.length + this.#inFlight.size;
  }

  /** Lines written again. */
  get repeats(): number {
    return this.#repeats;
  }

  /** The oldest sale that waits for its acknowledgement. */
  get oldest(): Sale | undefined {
    for (const { sale } of this.#inFlight.values()) return sale;
    return undefined;
  }

  sell(nowMs: number): Sale {
    const { boot, random } = this.#options;
    const ml = random.whole(500, 80_000);
    const sale = { boot, seq: this.#sales.length + 1, ml, cents: Math.ceil((ml * 179) / 1000) };
    this.#sales.push(sale);
    this.#queued.push(sale);
    this.tick(nowMs);
    return sale;
  }

  /** Also the pump's thermometer speaks on this line. */
  temperature(): void {
    const { random, write } = this.#options;
    write(`${JSON.stringify({ k: 't', t: Number(random.between(15, 30).toFixed(1)) })}\n`);
  }

  /** Writes what is due: new sales as far as the window goes, and repeats. */
  tick(nowMs: number): void {
    const { window, repeatMs } = this.#options;
    for (const flight of this.#inFlight.values()) {
      if (flight.writtenMs === undefined) this.#put(flight, nowMs);
      else if (nowMs - flight.writtenMs >= repeatMs && this.#put(flight, nowMs)) this.#repeats += 1;
    }
    while (this.#inFlight.size < window) {
      const sale = this.#queued.shift();
      if (sale === undefined) return;
      const flight: InFlight = { sale, writtenMs: undefined };
      this.#inFlight.set(sale.seq, flight);
      this.#put(flight, nowMs);
    }
  }

  /** A new connection took the place of the old one: what is not acknowledged is written again at once. */
  lineOpened(nowMs: number): void {
    this.#answer = '';
    for (const flight of this.#inFlight.values()) {
      const again = flight.writtenMs !== undefined;
      if (this.#put(flight, nowMs) && again) this.#repeats += 1;
    }
    this.tick(nowMs);
  }

  /** Bytes from the line. Only a whole line counts: the end of an answer may have died with the agent. */
  take(bytes: Buffer, nowMs: number): void {
    const lines = (this.#answer + bytes.toString('latin1')).split('\n');
    this.#answer = (lines.pop() ?? '').slice(-ANSWER_BYTES_MAX);
    let news = false;
    for (const line of lines) {
      const found = /^ACK (\S+) (\d{1,15})\r?$/.exec(line);
      if (found === null || found[1] !== this.#options.boot) continue;
      const flight = this.#inFlight.get(Number(found[2]));
      if (flight === undefined) continue; // the answer to a repeat
      this.#inFlight.delete(flight.sale.seq);
      this.#accepted.push(flight.sale);
      news = true;
    }
    if (news) this.tick(nowMs);
  }

  #put(flight: InFlight, nowMs: number): boolean {
    const written = this.#options.write(`${JSON.stringify({ k: 'sale', ...flight.sale })}\n`);
    if (written) flight.writtenMs = nowMs;
    return written;
  }
}

/** What the event of a sale must say, exactly: 12010 ml is "12.010" l. */
export function volumeText(sale: Sale): string {
  return `${Math.floor(sale.ml / 1000)}.${String(sale.ml % 1000).padStart(3, '0')}`;
}

/** 2150 cents is "21.50". */
export function amountText(sale: Sale): string {
  return `${Math.floor(sale.cents / 100)}.${String(sale.cents % 100).padStart(2, '0')}`;
}
