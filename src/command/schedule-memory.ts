/**
 * What entries of the schedule that make up for missed times must know after a restart: the time that each waits for. Of
 * entries that are not in the configuration any more nothing is kept.
 */
import { createHash } from 'node:crypto';
import * as v from 'valibot';
import type { StateDocument, StateStore } from '../ports.ts';
import type { Awaited } from './missed.ts';

const documentSchema = v.record(
  v.string(),
  v.object({ dueMs: v.exactOptional(v.number()), ranMs: v.exactOptional(v.number()) }),
);

type MemoryDocument = Readonly<Record<string, Awaited>>;

export class ScheduleMemory {
  readonly #state: StateStore;
  readonly #keys: readonly string[];
  #document: StateDocument<MemoryDocument> | undefined;

  /** `entries`: those that are remembered. */
  constructor(state: StateStore, entries: readonly object[]) {
    this.#state = state;
    this.#keys = entries.map(keyOf);
  }

  async open(): Promise<void> {
    if (this.#keys.length > 0) this.#document = await this.#state.open('schedule', parseDocument, {});
  }

  of(entry: object): Awaited {
    return this.#document?.value[keyOf(entry)] ?? {};
  }

  /** Resolves when it is on disk; rejects with Fault `state.disk`. */
  async set(entry: object, awaited: Awaited): Promise<void> {
    const others = Object.entries(this.#document?.value ?? {}).filter(([key]) => this.#keys.includes(key));
    await this.#document?.write({ ...Object.fromEntries(others), [keyOf(entry)]: awaited });
  }
}

/** An entry by what it says, so that its place in the list may change. */
function keyOf(entry: object): string {
  return createHash('sha256').update(JSON.stringify(entry)).digest('base64url');
}

function parseDocument(found: unknown): MemoryDocument | undefined {
  const parsed = v.safeParse(documentSchema, found);
  return parsed.success ? parsed.output : undefined;
}
