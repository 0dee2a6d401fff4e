/** The changes that are tried: what each asks for, and how it must end. */
import type { Document } from './operator.ts';
import type { Device, TrialStage } from './stage.ts';

export interface Situation {
  readonly name: string;
  readonly patch: (stage: TrialStage, device: Device) => Document;
  /** `back`: what held before holds again. `refused`: nothing is ever begun. `kept`: it is confirmed, and holds. */
  readonly ends: 'back' | 'refused' | 'kept';
  /** The device itself sees what is wrong, and does not wait for the deadline. */
  readonly trial?: boolean;
}

/** Of a line that nobody serves: the device's own, so that it can be opened before and after. */
const MISSING = '/dev/fieldpost-is-not-there';

const urls = (port: number): Document => ({ broker: { urls: [`mqtts://127.0.0.1:${port}`] } });

export const SITUATIONS: readonly Situation[] = [
  { name: 'dead broker', patch: () => urls(1), ends: 'back' },
  { name: 'broker of another CA', patch: ({ wrongAuthority }) => urls(wrongAuthority.port), ends: 'back' },
  { name: 'broker that refuses the certificate', patch: ({ refusing }) => urls(refusing.port), ends: 'back' },
  { name: 'sound broker, nobody confirms', patch: ({ other }) => urls(other.port), ends: 'back' },
  { name: 'serial port that is missing', patch: () => sensorOn({ path: MISSING }), ends: 'back' },
  {
    name: 'serial port that is missing, on trial',
    patch: () => sensorOn({ path: MISSING }),
    ends: 'back',
    trial: true,
  },
  { name: 'serial server that is dead', patch: () => sensorOn({ tcp: '127.0.0.1:1' }), ends: 'back' },
  { name: 'not valid', patch: () => ({ broker: { keepAlive: '1ms' } }), ends: 'refused' },
  { name: 'not allowed', patch: () => ({ device: { id: 'other' } }), ends: 'refused' },
  { name: 'sound, confirmed over the link', patch: () => ({ broker: { keepAlive: '11s' } }), ends: 'kept' },
  { name: 'sound, confirmed by the device', patch: () => ({ host: { every: '30s' } }), ends: 'kept' },
];

function sensorOn(port: Document): Document {
  const decode = { type: 'json' };
  const telemetry = { every: '1s', fields: { temp: { from: 't' } } };
  return {
    sensors: [{ id: 'pump', port, framing: { type: 'line', max: 512 }, decode, routes: [{ telemetry }] }],
  };
}
