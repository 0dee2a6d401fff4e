/**
 * Keeps, for the event routes of one sensor, what their rules remember. An event counts as the last one while the ledger
 * writes it, so that the next frame does not make it again; if it is refused, what was before counts again, and the next
 * frame makes it anew.
 */
import type { EventMemory } from './event-rule.ts';
import { AT_REST, type EventData, judgeEvent, type RestState } from './event-rule.ts';
import type { Route } from './route.ts';

/** What is remembered across restarts: `SensorMemory`, with the sensor named. */
export interface RememberedEvents {
  of(route: string): EventMemory | undefined;
  set(route: string, memory: EventMemory | undefined): void;
}

export interface JudgedEvent {
  readonly data: EventData;
  readonly flagged: number;
  /** The ledger has said what became of it. */
  readonly settle: (accepted: boolean) => void;
}

export class EventRules {
  readonly #memory: RememberedEvents;
  readonly #rest = new Map<string, RestState>();

  constructor(memory: RememberedEvents) {
    this.#memory = memory;
  }

  /** Undefined: this record makes no event. */
  judge(route: Route, data: EventData, wallMs: number): JudgedEvent | undefined {
    const { event } = route;
    if (event === undefined) return undefined;
    const key = `${route.index}/${event.stream}/${event.type}`;
    const before = this.#memory.of(key);
    const verdict = judgeEvent(event, before, this.#rest.get(key) ?? AT_REST, data, wallMs);
    if (event.stable !== undefined) this.#rest.set(key, verdict.rest);
    if (verdict.data === undefined) return undefined;
    const { memory } = verdict;
    const remembers = memory.slot !== undefined || Object.keys(memory.values).length > 0;
    if (remembers) this.#memory.set(key, memory);
    return {
      data: verdict.data,
      flagged: verdict.flagged,
      settle: (accepted) => {
        // Only if no later event has become the last one meanwhile.
        if (!accepted && remembers && this.#memory.of(key) === memory) this.#memory.set(key, before);
        if (!accepted && event.stable !== undefined) {
          this.#rest.set(key, { ...(this.#rest.get(key) ?? AT_REST), hasMoved: true });
        }
      },
    };
  }
}
