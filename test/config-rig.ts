/** Configurations to bend in tests, and the two ways a parse can go. */
import assert from 'node:assert/strict';
import { parseDeviceValue } from '../src/config/parse.ts';
import { type Problem, problemText } from '../src/config/problem.ts';
import type { DeviceConfig } from '../src/config/schema.ts';

export type Json = Record<string, unknown>;

export const route = { event: { stream: 'sale', type: 'sale', fields: { volume: { from: 'ml' } } } };
export const sensor = { id: 'pump', port: { path: '/dev/ttyUSB0' }, decode: { type: 'json' }, routes: [route] };

export function base(): Json {
  return {
    device: { id: 'pump-42' },
    broker: { urls: ['mqtts://broker.example'], tls: { ca: '/ca.pem' } },
    ledger: { dir: '/var/lib/fieldpost/ledger' },
  };
}

export function withBroker(broker: Json): Json {
  return { ...base(), broker: { ...(base()['broker'] as Json), ...broker } };
}

export function withSensor(change: Json): Json {
  return { ...base(), sensors: [{ ...sensor, ...change }] };
}

export function withRoute(change: Json, decode: Json = { type: 'json' }): Json {
  return withSensor({ decode, routes: [change] });
}

export function good(value: unknown): DeviceConfig {
  const result = parseDeviceValue(value);
  if (!result.ok) assert.fail(result.problems.map((problem) => problemText('device.json', problem)).join('\n'));
  return result.config;
}

export function bad(value: unknown): readonly Problem[] {
  const result = parseDeviceValue(value);
  assert.ok(!result.ok, 'was taken');
  return result.problems;
}

/** The one problem, as a person reads it. */
export function one(value: unknown): string {
  const problems = bad(value);
  assert.equal(problems.length, 1, JSON.stringify(problems, undefined, 1));
  return problems.map((problem) => problemText('device.json', problem)).join('');
}
