/**
 * Registers that only rise, as telemetry: a value that fell, or rose further than it can, is left out and counted, and the
 * next is measured against it, so that a new meter is believed from its second reading on.
 */
import type { TelemetryRoute } from './config.ts';
import { isRegisterFault } from './event-rule.ts';
import type { Reading } from './route.ts';

export class Registers {
  readonly #before = new Map<string, string>();

  /** The readings that may go out. */
  sift(route: number, telemetry: TelemetryRoute, readings: readonly Reading[]): readonly Reading[] {
    return readings.filter(({ name, value }) => {
      const field = telemetry.fields[name];
      if (field?.monotonic !== true) return true;
      const key = `${route}/${name}`;
      const before = this.#before.get(key);
      this.#before.set(key, String(value));
      return !isRegisterFault(before, String(value), field.stepMax);
    });
  }
}
