/**
 * A collector in this process on a real directory, with messages handed to it as a broker would: for what can only be told
 * when each message, sync and acknowledgement is seen. `device` makes events as a device does, chained.
 */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { topicsOf } from '../../src/broker/topics.ts';
import { Collector, type CollectorOptions } from '../../src/collect/collector.ts';
import { Store } from '../../src/collect/store.ts';
import { eventHash } from '../../src/ledger/event.ts';
import { createLog } from '../../src/platform/log.ts';
import { stateStore } from '../../src/platform/state-store.ts';
import type { EventSigner } from '../../src/ports.ts';

export interface Desk {
  readonly collector: Collector;
  /** In the order in which they happened: releases of acknowledgements, receipts, sentences, failures. */
  readonly happened: string[];
  readonly store: Store;
  /** As a process that is killed: nothing is written any more. */
  readonly leave: () => void;
}

export async function openDesk(
  t: TestContext,
  out: string,
  change: (options: CollectorOptions) => Partial<CollectorOptions> = () => ({}),
): Promise<Desk> {
  const happened: string[] = [];
  const store = new Store(out);
  store.open();
  let nowMs = 0;
  let left = false;
  const options: CollectorOptions = {
    store,
    state: stateStore(out, createLog({ level: 'error', journal: false, write: (line) => happened.push(line) })),
    topicsFor: (name) => topicsOf('fp/v1', name),
    pinned: [],
    verify: false,
    receipts: true,
    hold: () => undefined,
    release: () => happened.push('release'),
    connected: () => true,
    publish: (_topic, payload) => {
      happened.push(`receipt ${payload.toString('utf8')}`);
      return Promise.resolve();
    },
    // Each look is later than any pause between two receipts.
    nowMs: () => (nowMs += 600),
    day: () => '2026-11-27',
    tell: (sentence) => happened.push(sentence),
    fail: (error) => happened.push(`failed: ${String(error)}`),
  };
  const collector = new Collector({ ...options, ...change(options) });
  await collector.start();
  const leave = (): void => {
    if (!left) store.close();
    left = true;
  };
  t.after(leave);
  return { collector, happened, store, leave };
}

export type MakeEvent = (seq: number, change?: object) => Buffer;

/** Events of one epoch of a device, each chained to the one that was made before it. */
export function device(name: string, epoch: string, signer?: EventSigner): MakeEvent {
  let prev = '';
  return (seq, change = {}) => {
    const data = { volume: { value: '1.0', unit: 'l', quality: 'good' } };
    const when = { time: '2026-11-27T10:00:00.000Z', clock: 'set', boot: 'b', uptime_ms: seq };
    const what = { sensor: 'pump', stream: 'sale', type: 'delivery', data };
    const text = JSON.stringify({ v: 1, device: name, epoch, seq, ...when, ...what, prev, ...change });
    const bytes = signer === undefined ? Buffer.from(text) : signed(text, signer);
    prev = eventHash(bytes);
    return bytes;
  };
}

function signed(text: string, signer: EventSigner): Buffer {
  const body = `${text.slice(0, -1)},"key":"${signer.keyId}"`;
  return Buffer.from(`${body},"sig":"${signer.sign(Buffer.from(body))}"}`);
}

/** A field of an event of the agent's own. */
export const field = (value: string): object => ({ value, quality: 'good' });

/** The lines of the day files, as numbers of sequence; what is no event as its text. */
export async function keptLines(out: string): Promise<readonly (number | string)[]> {
  const names = (await readdir(out)).filter((name) => /^\d{4}-.*\.ndjson$/.test(name)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(out, name), 'utf8')));
  return texts.flatMap((text) => text.split('\n').filter(Boolean)).map(seqOf);
}

function seqOf(line: string): number | string {
  try {
    return (JSON.parse(line) as { readonly seq: number }).seq;
  } catch {
    return line;
  }
}
