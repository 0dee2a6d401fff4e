/**
 * What a consumer got, judged by identity and bytes: the same identity with the same bytes again is a repeat, with other
 * bytes a fork (DESIGN section 4). A consumer that keeps only what is `new` sees each event once. Pure counting: it knows
 * nothing of a broker.
 */
import { createHash } from 'node:crypto';

/** `unreadable`: no event, or one without an identity. */
export type Verdict = 'new' | 'repeat' | 'fork' | 'unreadable';

export interface ReceivedEvent {
  readonly device: string;
  readonly epoch: string;
  readonly seq: number;
  readonly sensor: string;
  readonly stream: string;
  readonly type: string;
  readonly data: Readonly<Record<string, { readonly value: unknown; readonly unit?: unknown } | undefined>>;
  readonly source?: { readonly epoch: string; readonly seq: string };
}

export interface DeliveryFigures {
  readonly deliveries: number;
  /** Distinct identities. */
  readonly events: number;
  /** The same identity with the same bytes again. */
  readonly repeats: number;
  /** The same identity with other bytes: each version counted once. */
  readonly forks: number;
  readonly unreadable: number;
  /** First deliveries of an event after one of a higher number of the same epoch. */
  readonly orderBreaks: number;
  /** Numbers that never came and that no `ledger.gap` names, although a higher one of the same epoch came. */
  readonly gaps: number;
}

export interface Delivery {
  readonly verdict: Verdict;
  /** There for anything readable. */
  readonly event?: ReceivedEvent;
  /** sha256 of the payload, base64url; there where `event` is. */
  readonly hash?: string;
}

interface Epoch {
  readonly hashes: Map<number, string>;
  /** Other versions of an event, by sequence and hash. */
  readonly forks: Set<string>;
  /** Ranges that a `ledger.gap` names. */
  readonly named: [number, number][];
  last: number;
}

export class Deliveries {
  readonly #epochs = new Map<string, Epoch>();
  #deliveries = 0;
  #repeats = 0;
  #forks = 0;
  #unreadable = 0;
  #orderBreaks = 0;

  /** Judges one delivery. */
  take(payload: Buffer): Delivery {
    this.#deliveries += 1;
    const event = parseEvent(payload);
    if (event === undefined) {
      this.#unreadable += 1;
      return { verdict: 'unreadable' };
    }
    const epoch = this.#epochOf(event);
    const hash = createHash('sha256').update(payload).digest('base64url');
    const known = epoch.hashes.get(event.seq);
    if (known === hash) {
      this.#repeats += 1;
      return { verdict: 'repeat', event, hash };
    }
    if (known !== undefined) {
      const version = `${event.seq} ${hash}`;
      if (epoch.forks.has(version)) {
        this.#repeats += 1;
        return { verdict: 'repeat', event, hash };
      }
      epoch.forks.add(version);
      this.#forks += 1;
      return { verdict: 'fork', event, hash };
    }
    epoch.hashes.set(event.seq, hash);
    if (event.seq < epoch.last) this.#orderBreaks += 1;
    epoch.last = Math.max(epoch.last, event.seq);
    if (event.type === 'ledger.gap') this.#takeGap(event);
    return { verdict: 'new', event, hash };
  }

  has(device: string, epoch: string, seq: number): boolean {
    return this.#epochs.get(`${device} ${epoch}`)?.hashes.has(seq) ?? false;
  }

  /** Those of the expected events that never came. */
  lost(expected: Iterable<{ readonly device: string; readonly epoch: string; readonly seq: number }>): string[] {
    const missing: string[] = [];
    for (const { device, epoch, seq } of expected) {
      if (!this.has(device, epoch, seq)) missing.push(`${device} ${epoch} ${seq}`);
    }
    return missing;
  }

  get figures(): DeliveryFigures {
    let events = 0;
    let gaps = 0;
    for (const epoch of this.#epochs.values()) {
      events += epoch.hashes.size;
      gaps += epoch.last - epoch.hashes.size - namedAndMissing(epoch);
    }
    return {
      deliveries: this.#deliveries,
      events,
      repeats: this.#repeats,
      forks: this.#forks,
      unreadable: this.#unreadable,
      orderBreaks: this.#orderBreaks,
      gaps,
    };
  }

  #takeGap(event: ReceivedEvent): void {
    const [from, through] = ['from', 'through'].map((name) => Number(event.data[name]?.value));
    const epoch = String(event.data['epoch']?.value);
    if (from !== undefined && through !== undefined && through >= from) {
      this.#epochOf({ ...event, epoch }).named.push([from, through]);
    }
  }

  #epochOf({ device, epoch: called }: ReceivedEvent): Epoch {
    const name = `${device} ${called}`;
    let epoch = this.#epochs.get(name);
    if (epoch === undefined) {
      epoch = { hashes: new Map(), forks: new Set(), named: [], last: 0 };
      this.#epochs.set(name, epoch);
    }
    return epoch;
  }
}

function namedAndMissing({ hashes, named, last }: Epoch): number {
  const missing = new Set<number>();
  for (const [from, through] of named) {
    for (let seq = from; seq <= Math.min(through, last); seq += 1) if (!hashes.has(seq)) missing.add(seq);
  }
  return missing.size;
}

function parseEvent(payload: Buffer): ReceivedEvent | undefined {
  let read: unknown;
  try {
    read = JSON.parse(payload.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof read !== 'object' || read === null) return undefined;
  const { device, epoch, seq } = read as Partial<Record<string, unknown>>;
  if (typeof device !== 'string' || typeof epoch !== 'string') return undefined;
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 1) return undefined;
  // The rest is compared as a whole by its hash, and read only with care by those who look inside.
  const event = read as ReceivedEvent;
  return typeof event.data === 'object' && event.data !== null ? event : { ...event, data: {} };
}
