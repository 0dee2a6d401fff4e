/**
 * Sensors that an earlier configuration had: their retained state would say "ok" for ever. The ids whose state was ever
 * published are kept in a small document; those that are gone are taken back from the broker, and forgotten once it has
 * that.
 */
import { reasonOf } from '../fault.ts';
import type { Log, StateStore } from '../ports.ts';

/** Ids remembered; a device has 64 at most, and each must have been on it to be here. */
const REMEMBERED_MAX = 256;

export interface FormerSensorsOptions {
  readonly state: StateStore;
  readonly log: Log;
  readonly configured: readonly string[];
  /** Takes the states back; resolves when the broker has that, or the link is gone. */
  readonly clear: (sensors: readonly string[]) => Promise<void>;
}

export class FormerSensors {
  readonly #options: FormerSensorsOptions;

  constructor(options: FormerSensorsOptions) {
    this.#options = options;
  }

  /** Resolves when the document is read and written, not when the broker has answered. */
  async start(): Promise<void> {
    const { state, log, configured, clear } = this.#options;
    const document = await state.open('sensors', parseIds, []);
    const former = document.value.filter((id) => !configured.includes(id));
    const all = [...new Set([...configured, ...former])].slice(0, REMEMBERED_MAX);
    try {
      if (all.some((id) => !document.value.includes(id))) await document.write(all);
      if (former.length === 0) return;
      log.info('sensors of an earlier configuration: their states are taken back', { sensors: former.join(' ') });
      void clear(former)
        .then(() => document.write([...configured]))
        .catch((error: unknown) => log.warn('sensors: not remembered', { reason: reasonOf(error) }));
    } catch (error) {
      log.warn('sensors: not remembered', { reason: reasonOf(error) });
    }
  }
}

function parseIds(found: unknown): readonly string[] | undefined {
  return Array.isArray(found) && found.every((id) => typeof id === 'string') ? found : undefined;
}
