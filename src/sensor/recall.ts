/**
 * What rules remember, from the ledger's newest events. The document of it is written a minute late at most, so after a
 * crash it may be older than what was accepted since: a scale that has not moved would make its event once more. Routes
 * of a sensor that share stream and type are not told apart by their events; for them the document alone counts.
 */
import type { EventField } from '../ports.ts';
import type { SensorConfig } from './config.ts';
import { type EventMemory, memoryOf } from './event-rule.ts';
import { memoryKey, type RememberedEvents, remembers } from './event-rules.ts';
import { type Route, routesOf } from './route.ts';

/** Members of an event that matter here. */
export interface EventText {
  readonly sensor: string;
  readonly stream: string;
  readonly type: string;
  readonly time: string;
  readonly data: Readonly<Record<string, EventField>>;
}

/** Whether the newest events say anything about what this sensor remembers. */
export function recallsEvents(config: SensorConfig): boolean {
  return routesOf(config).some(({ event }) => event !== undefined && remembers(event));
}

/** `events`: oldest first. */
export function recallEvents(config: SensorConfig, events: readonly EventText[], memory: RememberedEvents): void {
  const routes = routesOf(config);
  const newest = new Map<string, EventMemory>();
  for (const event of events) {
    if (event.sensor !== config.id) continue;
    const [route, another] = routes.filter((candidate) => isOf(candidate, event));
    if (route?.event === undefined || another !== undefined || !remembers(route.event)) continue;
    newest.set(memoryKey(route), memoryOf(route.event, event.data, Date.parse(event.time)));
  }
  for (const [key, remembered] of newest) {
    if (JSON.stringify(memory.of(key)) !== JSON.stringify(remembered)) memory.set(key, remembered);
  }
}

function isOf({ event }: Route, { stream, type }: EventText): boolean {
  return event?.stream === stream && event.type === type;
}
