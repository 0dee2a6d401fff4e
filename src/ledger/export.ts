/**
 * An exported ledger: one file of lines that can be checked anywhere without this device.
 *
 *   {"fieldpost":"export","v":1,"device":…,"exported":…,"epochs":[{"epoch","first","last","prev"}],"keys":[{"key","algorithm","public"}],
 *    "part":{"from","through","epoch"},"torn":[{"epoch","from","through"}]}
 *   <the literal bytes of an event>            one a line, in the order of the ledger
 *   {"fieldpost":"trailer","events":N,"sha256":"…","key":"…","sig":"…"}
 *
 * `prev` is the hash of the event before the first; `sha256` covers every byte before the trailer's line; `sig` covers the
 * literal bytes of the trailer before the last `,"sig":`, and is missing where whoever exported had no key. `public` is ''
 * where only the name of a key is left. `part` is there when only a part was asked for; `torn`: what a power cut left of a
 * commit that nobody was answered for, and no `ledger.gap` names yet.
 */
import { createHash, type Hash } from 'node:crypto';
import type { EventSigner } from '../ports.ts';
import { agentWord } from './agent-words.ts';
import { eventHash, SIGNATURE_MARK } from './event.ts';
import { IntervalSet } from './intervals.ts';
import { KeyRing, type SignedText } from './key-ring.ts';
import { type MissingRange, missingEnd } from './lineage.ts';
import type { KeyChange } from './signing-order.ts';
import { AGENT_STREAM } from './state.ts';
import { judgeSignature, type VerifyingKey, verifyingKey } from './signature.ts';

export interface ExportedEpoch {
  readonly epoch: string;
  readonly first: number;
  readonly last: number;
  /** `prev` of the first exported event. */
  readonly prev: string;
}

export interface ExportHead {
  readonly device: string;
  readonly exported: string;
  readonly epochs: readonly ExportedEpoch[];
  readonly keys: readonly { readonly key: string; readonly algorithm: string; readonly public: string }[];
  readonly part?: ExportPart;
  readonly torn?: readonly MissingRange[];
}

/** What of the ledger was asked for. */
export interface ExportPart {
  readonly from?: number;
  readonly through?: number;
  readonly epoch?: string;
}

export function encodeExportHead(head: ExportHead): Buffer {
  return Buffer.from(`${JSON.stringify({ fieldpost: 'export', v: 1, ...head })}\n`, 'utf8');
}

/** `sha256`: base64url, of all bytes before. */
export function encodeExportTrailer(events: number, sha256: string, signer: EventSigner | undefined): Buffer {
  const text = JSON.stringify({ fieldpost: 'trailer', events, sha256, key: signer?.keyId });
  if (signer === undefined) return Buffer.from(`${text}\n`, 'utf8');
  const signed = text.slice(0, -1);
  return Buffer.from(`${signed}${SIGNATURE_MARK}"${signer.sign(Buffer.from(signed, 'utf8'))}"}\n`, 'utf8');
}

export interface ExportProblem {
  readonly line: number;
  readonly epoch: string;
  readonly seq: number;
  readonly what: string;
}

export interface ExportVerdict {
  readonly ok: boolean;
  readonly device: string;
  readonly events: number;
  readonly epochs: readonly {
    readonly epoch: string;
    readonly first: number;
    readonly last: number;
    readonly events: number;
  }[];
  readonly gaps: readonly {
    readonly epoch: string;
    readonly from: number;
    readonly through: number;
    readonly why: string;
  }[];
  readonly signatures: { readonly good: number; readonly unsigned: number; readonly unknown: number };
  /** Who signs from where on, as the events say. */
  readonly keys: readonly KeyChange[];
  /** Only this part of the ledger was asked for; undefined: all of it. */
  readonly part: ExportPart | undefined;
  /** The key that signed the trailer; '' when nobody did. */
  readonly signer: string;
  readonly problems: readonly ExportProblem[];
  readonly more: number;
}

interface EventText extends SignedText {
  readonly fieldpost?: unknown;
  readonly device?: unknown;
  readonly epoch?: unknown;
  readonly seq?: unknown;
  readonly prev?: unknown;
}

const PROBLEMS_MAX = 1000;

/** Checks an export line by line, in bounded memory. */
export class ExportCheck {
  readonly #ring: KeyRing;
  readonly #pinned: readonly VerifyingKey[];
  readonly #keys = new Map<string, VerifyingKey>();
  readonly #sum: Hash = createHash('sha256');
  readonly #epochs: { epoch: string; first: number; last: number; events: number }[] = [];
  readonly #gaps: { epoch: string; from: number; through: number; why: string }[] = [];
  readonly #missing: { line: number; epoch: string; from: number; through: number }[] = [];
  readonly #problems: ExportProblem[] = [];
  readonly #seen = new Set<string>();
  #head: Partial<ExportHead> | undefined;
  #device = '';
  #hash = '';
  #line = 0;
  #events = 0;
  #more = 0;
  #trailed = false;
  #signer = '';

  constructor(pinned: readonly VerifyingKey[] = []) {
    this.#pinned = pinned;
    this.#ring = new KeyRing(pinned);
  }

  /** One line without its line end. */
  line(bytes: Buffer): void {
    this.#line += 1;
    const text = textOf(bytes);
    if (this.#trailed) return this.#problem('stands behind the trailer');
    if (text?.fieldpost === 'trailer') return this.#trailer(bytes, text as Readonly<Record<string, unknown>>);
    this.#sum.update(bytes).update('\n');
    if (this.#line === 1) return this.#start(text);
    if (text === undefined) return this.#problem('is no JSON object');
    this.#event(bytes, text);
  }

  verdict(): ExportVerdict {
    if (this.#line === 0) this.#problem('the file is empty');
    else if (!this.#trailed) this.#problem('the trailer is missing: the file was cut off');
    this.#judgeMissing();
    this.#judgeHead();
    for (const fault of this.#ring.finish()) this.#put({ line: this.#line, ...fault });
    const problems = [...this.#problems].sort((a, b) => a.line - b.line);
    return {
      ok: problems.length === 0,
      device: this.#device,
      events: this.#events,
      epochs: this.#epochs,
      gaps: this.#gaps,
      signatures: { ...this.#ring.counts },
      keys: this.#ring.changes,
      part: this.#part,
      signer: this.#signer,
      problems,
      more: this.#more,
    };
  }

  get #part(): ExportPart | undefined {
    return typeof this.#head?.part === 'object' ? this.#head.part : undefined;
  }

  #judgeMissing(): void {
    const named = new Map<string, IntervalSet>();
    for (const { epoch, from, through } of [...this.#gaps, ...tornOf(this.#head)]) {
      const set = named.get(epoch) ?? new IntervalSet();
      set.add(from, through);
      named.set(epoch, set);
    }
    for (const { line, epoch, from, through } of this.#missing) {
      const seq = named.get(epoch)?.nextAbsent(from) ?? from;
      if (seq <= through)
        this.#put({ line, epoch, seq, what: `missing through ${through}, and no ledger.gap names it` });
    }
  }

  /** The head names the epochs as they come: each once, from its first event to its last. */
  #judgeHead(): void {
    const given: unknown = this.#head?.epochs;
    const named = Array.isArray(given) ? (given as ExportedEpoch[]) : [];
    for (let at = 0; at < Math.max(named.length, this.#epochs.length); at += 1) {
      const [says, found] = [named[at], this.#epochs[at]];
      const same = says?.epoch === found?.epoch && says?.first === found?.first && says?.last === found?.last;
      if (same) continue;
      const { epoch = '', first = 0 } = found ?? says ?? {};
      this.#put({
        line: this.#line,
        epoch,
        seq: first,
        what: `the head says ${rangeOf(says)}, found ${rangeOf(found)}`,
      });
    }
  }

  #start(text: EventText | undefined): void {
    const head = text as (Partial<ExportHead> & { readonly fieldpost?: unknown; readonly v?: unknown }) | undefined;
    if (head?.fieldpost !== 'export' || head.v !== 1) return this.#problem('is no head of an export of version 1');
    this.#head = head;
    this.#device = typeof head.device === 'string' ? head.device : '';
    const keys: ExportHead['keys'] = Array.isArray(head.keys) ? (head.keys as ExportHead['keys']) : [];
    for (const key of keys) {
      if (key.public === '') {
        this.#ring.learnName(String(key.key));
        continue;
      }
      this.#ring.learn(key.public);
      try {
        const known = verifyingKey(Buffer.from(String(key.public), 'base64'));
        this.#keys.set(known.keyId, known);
      } catch {
        this.#problem(`names the key ${String(key.key)}, which is none`);
      }
    }
  }

  #event(bytes: Buffer, text: EventText): void {
    const { device, epoch, seq } = text;
    if (typeof epoch !== 'string' || !isSeq(seq)) return this.#problem('is no event');
    const wrong = (what: string): void => this.#put({ line: this.#line, epoch, seq, what });
    if (device !== this.#device) wrong(`is of the device ${String(device)}`);
    let here = this.#epochs.at(-1);
    if (here?.epoch !== epoch) {
      if (this.#seen.has(epoch)) wrong('is of an epoch that ended before');
      this.#seen.add(epoch);
      const start = this.#head?.epochs?.find((one) => one.epoch === epoch);
      if (start === undefined) wrong('is of an epoch that the head does not name');
      else if (text.prev !== start.prev) wrong('does not follow the event that the head names');
      here = { epoch, first: seq, last: seq - 1, events: 0 };
      this.#epochs.push(here);
    } else if (seq <= here.last) wrong(`stands behind ${here.last}`);
    else if (seq > here.last + 1)
      this.#missing.push({ line: this.#line, epoch, from: here.last + 1, through: seq - 1 });
    else if (text.prev !== this.#hash) wrong('does not chain to the event before');
    for (const fault of this.#ring.judge(bytes, text)) this.#put({ line: this.#line, ...fault });
    this.#hear(seq, text);
    here.last = Math.max(here.last, seq);
    here.events += 1;
    this.#events += 1;
    this.#hash = eventHash(bytes);
  }

  /** What the ledger says of itself. */
  #hear(seq: number, text: EventText): void {
    const word = agentWord(text);
    if (word === undefined) {
      if (text.stream === AGENT_STREAM && text.type === 'ledger.gap')
        this.#problem('names no range that can be missing');
    } else if (word.kind === 'gap') {
      const { kind: _, ...gap } = word;
      this.#gaps.push(gap);
    } else if (word.kind === 'epoch' && seq === 1) {
      const missing = missingEnd(word, this.#epochs.slice(0, -1));
      const through = Math.min(missing?.through ?? 0, this.#part?.through ?? Number.MAX_SAFE_INTEGER);
      if (missing !== undefined && through >= missing.from)
        this.#missing.push({ ...missing, line: this.#line, through });
    }
  }

  #trailer(bytes: Buffer, text: Readonly<Record<string, unknown>>): void {
    this.#trailed = true;
    if (text['sha256'] !== this.#sum.digest('base64url')) this.#problem("does not fit the file's bytes");
    if (text['events'] !== this.#events) this.#problem(`says ${String(text['events'])} events, found ${this.#events}`);
    const pins = this.#pinned.map((key) => [key.keyId, key] as const);
    const keys = pins.length === 0 ? this.#keys : new Map(pins);
    const verdict = judgeSignature(bytes, text['key'], keys);
    if (verdict === 'good') this.#signer = String(text['key']);
    else if (verdict === 'bad') this.#problem('has a signature that does not fit it');
    else if (pins.length > 0) this.#problem(`is not signed by ${pins.map(([keyId]) => keyId).join(' or ')}`);
    else if (verdict === 'unknown-key')
      this.#problem(`is signed by ${String(text['key'])}, a key that the head does not name`);
  }

  #problem(what: string): void {
    const here = this.#epochs.at(-1);
    this.#put({ line: this.#line, epoch: here?.epoch ?? '', seq: (here?.last ?? 0) + 1, what });
  }

  #put(problem: ExportProblem): void {
    if (this.#problems.length >= PROBLEMS_MAX) this.#more += 1;
    else this.#problems.push(problem);
  }
}

function textOf(bytes: Buffer): EventText | undefined {
  try {
    const text: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof text === 'object' && text !== null ? text : undefined;
  } catch {
    return undefined;
  }
}

function tornOf(head: Partial<ExportHead> | undefined): MissingRange[] {
  const torn: readonly Partial<MissingRange>[] = Array.isArray(head?.torn) ? head.torn : [];
  return torn.flatMap(({ epoch, from, through }) => {
    const sound = typeof epoch === 'string' && isSeq(from) && isSeq(through) && through >= from;
    return sound ? [{ epoch, from, through }] : [];
  });
}

function rangeOf(epoch: { readonly epoch: string; readonly first: number; readonly last: number } | undefined): string {
  return epoch === undefined ? 'nothing' : `${epoch.epoch} ${epoch.first} to ${epoch.last}`;
}

function isSeq(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1;
}
