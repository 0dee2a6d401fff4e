/** The clock as the agent judges it: what the time service says, and the floor of the time that is kept beside the ledger. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseClockNote } from '../clock/note.ts';
import { BUILT_MS, judgeClock } from '../clock/quality.ts';
import type { DeviceConfig } from '../config/schema.ts';
import { parseJson } from '../platform/json.ts';
import { timeService } from '../platform/time-service.ts';
import { clockFindings } from './doctor-clock.ts';
import type { Finding } from './doctor-finding.ts';

export async function lookAtClock(config: DeviceConfig, wallMs: number): Promise<readonly Finding[]> {
  const floorMs = keptFloorMs(config.state?.dir ?? join(dirname(config.ledger.dir), 'state'));
  const synchronised = await timeService().isSynchronised(0);
  return clockFindings(judgeClock({ wallMs, floorMs, synchronised }), wallMs, floorMs);
}

/** Only reads; where the document can not be read, the agent has none either. */
function keptFloorMs(directory: string): number {
  try {
    const document = parseJson(readFileSync(join(directory, 'clock.json'), 'utf8')) as { readonly data?: unknown };
    return parseClockNote(document.data)?.floorMs ?? BUILT_MS;
  } catch {
    return BUILT_MS;
  }
}
