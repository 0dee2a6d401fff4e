/**
 * Keeps, for the event routes of one sensor, what their rules remember. An event counts as the last one while the ledger
 * writes it, so that the next frame does not make it again; if it is refused, what was before counts again, and the next
 * frame makes it anew.
 */
import { AT_REST, type EventData, type EventMemory, judgeEvent, type RestState } from './event-rule.ts';
import type { Route } from './route.ts';

/** What is remembered across restarts: `SensorMemory`, with the sensor named. */
export interface RememberedEvents {
  of(route: string): EventMemory | undefined;
  set(route: string, memory: EventMemory | undefined): void;
}

export interface JudgedEvent {
  readonly data: EventData;
  readonly flagged: number;
  /** The ledger has said what became of it; a repeat of an older event is not accepted. */
  readonly settle: (accepted: boolean) => void;
}

/** Of one route: what is remembered of the last accepted event, and of those that the ledger still writes, oldest first. */
interface Underway {
  accepted: EventMemory | undefined;
  readonly waiting: EventMemory[];
}

export class EventRules {
  readonly #memory: RememberedEvents;
  readonly #rest = new Map<string, RestState>();
  readonly #underway = new Map<string, Underway>();

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
    if (remembers) this.#begin(key, before, memory);
    return {
      data: verdict.data,
      flagged: verdict.flagged,
      settle: (accepted) => {
        if (remembers) this.#end(key, memory, accepted);
        if (!accepted && event.stable !== undefined) {
          this.#rest.set(key, { ...(this.#rest.get(key) ?? AT_REST), hasMoved: true });
        }
      },
    };
  }

  #begin(key: string, before: EventMemory | undefined, memory: EventMemory): void {
    const underway = this.#underway.get(key) ?? { accepted: before, waiting: [] };
    this.#underway.set(key, underway);
    underway.waiting.push(memory);
    this.#memory.set(key, memory);
  }

  /** The newest that still may be accepted counts, or else the last that was. */
  #end(key: string, memory: EventMemory, accepted: boolean): void {
    const underway = this.#underway.get(key);
    const at = underway?.waiting.indexOf(memory) ?? -1;
    if (underway === undefined || at === -1) return;
    underway.waiting.splice(at, 1);
    if (accepted) underway.accepted = memory;
    const last = underway.waiting.at(-1) ?? underway.accepted;
    if (underway.waiting.length === 0) this.#underway.delete(key);
    if (this.#memory.of(key) !== last) this.#memory.set(key, last);
  }
}
