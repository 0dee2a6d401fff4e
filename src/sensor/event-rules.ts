/**
 * Keeps, for the event routes of one sensor, what their rules remember. An event counts as the last one while the ledger
 * writes it, so that the next frame does not make it again; if it is refused, what was before counts again, and the next
 * frame makes it anew. Only what was accepted outlives the process: an event that a power cut took is made again.
 */
import { AT_REST, type EventData, type EventMemory, judgeEvent, type RestState } from './event-rule.ts';
import type { EventRoute } from './config.ts';
import type { Route } from './route.ts';

/** What is remembered across restarts: `SensorMemory`, with the sensor named. */
export interface RememberedEvents {
  of(route: string): EventMemory | undefined;
  set(route: string, memory: EventMemory): void;
}

export interface JudgedEvent {
  readonly data: EventData;
  readonly flagged: number;
  /** The ledger has said what became of it; a repeat of an older event is not accepted. */
  readonly settle: (accepted: boolean) => void;
}

/** Whether anything is remembered of its events. */
export function remembers({ every, onChange, stable, fields }: EventRoute): boolean {
  return (
    (every ?? onChange ?? stable) !== undefined || Object.values(fields).some(({ monotonic }) => monotonic === true)
  );
}

/** Under which a route's memory is kept. */
export function memoryKey({ index, event }: Route): string {
  return `${index}/${event?.stream}/${event?.type}`;
}

export class EventRules {
  readonly #memory: RememberedEvents;
  readonly #rest = new Map<string, RestState>();
  /** Of each route what is remembered of events that the ledger still writes, oldest first. */
  readonly #underway = new Map<string, EventMemory[]>();

  constructor(memory: RememberedEvents) {
    this.#memory = memory;
  }

  /** Undefined: this record makes no event. */
  judge(route: Route, data: EventData, wallMs: number): JudgedEvent | undefined {
    const { event } = route;
    if (event === undefined) return undefined;
    const key = memoryKey(route);
    const before = this.#underway.get(key)?.at(-1) ?? this.#memory.of(key);
    const verdict = judgeEvent(event, before, this.#rest.get(key) ?? AT_REST, data, wallMs);
    if (event.stable !== undefined) this.#rest.set(key, verdict.rest);
    if (verdict.data === undefined) return undefined;
    const { memory } = verdict;
    if (remembers(event)) this.#begin(key, memory);
    return {
      data: verdict.data,
      flagged: verdict.flagged,
      settle: (accepted) => {
        if (remembers(event)) this.#end(key, memory, accepted);
        if (!accepted && event.stable !== undefined) {
          this.#rest.set(key, { ...(this.#rest.get(key) ?? AT_REST), hasMoved: true });
        }
      },
    };
  }

  #begin(key: string, memory: EventMemory): void {
    const underway = this.#underway.get(key) ?? [];
    this.#underway.set(key, underway);
    underway.push(memory);
  }

  #end(key: string, memory: EventMemory, accepted: boolean): void {
    const underway = this.#underway.get(key) ?? [];
    const at = underway.indexOf(memory);
    if (at === -1) return;
    underway.splice(at, 1);
    if (underway.length === 0) this.#underway.delete(key);
    if (accepted) this.#memory.set(key, memory);
  }
}
