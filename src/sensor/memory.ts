/**
 * What sensors remember of their last events, so that a rule (first in each quarter of an hour, on change, a register that
 * only rises) holds across a restart. A small document, written late; what was accepted since is found in the ledger
 * (recall.ts).
 */
import { reasonOf } from '../fault.ts';
import type { Clock, Log, StateDocument, StateStore, Timer } from '../ports.ts';
import type { EventMemory } from './event-rule.ts';

/** By sensor, then by `stream/type`. */
type Document = Readonly<Record<string, Readonly<Record<string, EventMemory>>>>;

/** The first change is written soon; a stream of changes at most once a minute, for the card's sake. Milliseconds. */
const SOON_MS = 1000;
const AGAIN_MS = 60_000;
const VALUES_MAX = 64;
const TEXT_MAX = 1024;

export interface MemoryPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly state: StateStore;
}

export class SensorMemory {
  readonly #ports: MemoryPorts;
  readonly #sensors: readonly string[];
  readonly #memories = new Map<string, Map<string, EventMemory>>();
  #document: StateDocument<Document> | undefined;
  #timer: Timer | undefined;
  #writtenMs = Number.NEGATIVE_INFINITY;
  #dirty = false;
  /** Never rejects. */
  #writing: Promise<void> = Promise.resolve();
  #fails = false;
  #stopped = false;

  /** Of sensors that are not among `sensors` nothing is kept. */
  constructor(ports: MemoryPorts, sensors: readonly string[]) {
    this.#ports = ports;
    this.#sensors = sensors;
  }

  /** Before the sensors start. Never rejects. */
  async open(): Promise<void> {
    this.#document = await this.#ports.state.open('sensor-memory', parseDocument, {});
    for (const sensor of this.#sensors) {
      const routes = Object.entries(this.#document.value[sensor] ?? {});
      if (routes.length > 0) this.#memories.set(sensor, new Map(routes));
    }
  }

  of(sensor: string, route: string): EventMemory | undefined {
    return this.#memories.get(sensor)?.get(route);
  }

  set(sensor: string, route: string, memory: EventMemory): void {
    const routes = this.#memories.get(sensor) ?? new Map<string, EventMemory>();
    routes.set(route, memory);
    this.#memories.set(sensor, routes);
    this.#dirty = true;
    if (this.#stopped) return;
    const { clock } = this.#ports;
    const waitMs = Math.max(SOON_MS, this.#writtenMs + AGAIN_MS - clock.monotonicMs());
    this.#timer ??= clock.after(waitMs, () => {
      this.#timer = undefined;
      this.#writing = this.#write();
    });
  }

  /** Writes what is not written yet, and nothing more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#writing;
    await this.#write();
  }

  async #write(): Promise<void> {
    if (!this.#dirty || this.#document === undefined) return;
    this.#dirty = false;
    this.#writtenMs = this.#ports.clock.monotonicMs();
    const value = [...this.#memories].map(([sensor, routes]) => [sensor, Object.fromEntries(routes)] as const);
    try {
      await this.#document.write(Object.fromEntries(value));
      this.#fails = false;
    } catch (error) {
      this.#dirty = true;
      if (!this.#fails) this.#ports.log.warn('what sensors remember is not written', { reason: reasonOf(error) });
      this.#fails = true;
    }
  }
}

function parseDocument(found: unknown): Document | undefined {
  if (!isTable(found)) return undefined;
  const sensors = Object.entries(found).flatMap(([sensor, routes]) => {
    if (!isTable(routes)) return [];
    const parsed = Object.entries(routes).flatMap(([route, memory]) => {
      const known = parseMemory(memory);
      return known === undefined ? [] : [[route, known] as const];
    });
    return [[sensor, Object.fromEntries(parsed)] as const];
  });
  return Object.fromEntries(sensors);
}

function parseMemory(found: unknown): EventMemory | undefined {
  if (!isTable(found) || !isTable(found['values'])) return undefined;
  const { slot } = found;
  const values = Object.entries(found['values']).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1].length <= TEXT_MAX,
  );
  return {
    ...(typeof slot === 'number' && Number.isSafeInteger(slot) ? { slot } : {}),
    values: Object.fromEntries(values.slice(0, VALUES_MAX)),
  };
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
