/** The doctor's look from inside the running agent, for `doctor.run`: beside it, and on nothing that is the agent's own. */
import type { DeviceConfig } from '../config/schema.ts';
import type { DoctorPart } from '../ports.ts';
import { loadConfig } from './config-file.ts';
import { asConnected } from './credentials.ts';
import { invalidConfigFindings } from './doctor-config.ts';
import { partsOf } from './doctor-parts.ts';

/** `config`: what the agent runs with; `file`: where it came from, which may have been edited since. */
export async function ownDoctor(file: string, config: DeviceConfig): Promise<readonly DoctorPart[]> {
  const parts: DoctorPart[] = [];
  const loaded = loadConfig(file);
  if (loaded.kind === 'invalid') {
    parts.push({ part: 'configuration at the next start', findings: invalidConfigFindings(file, loaded) });
  }
  const look = {
    file,
    config: asConnected(config),
    agent: { pid: process.pid },
    seconds: 0,
    isMqtt: false,
    isOwn: true,
  };
  for await (const part of partsOf(look)) parts.push(part);
  return parts;
}
