/** The remote configuration on the model disk, with a clock that the test moves. */
import assert from 'node:assert/strict';
import { parseDeviceValue } from '../../src/config/parse.ts';
import type { BaseFile, BaseRead } from '../../src/remote/judge.ts';
import type { Table } from '../../src/remote/merge-patch.ts';
import { RemoteConfig } from '../../src/remote/remote-config.ts';
import { seededRandom } from '../../src/workbench/random.ts';
import { HandClock } from '../sensor-rig.ts';
import { ModelDisk } from './model-disk.ts';

const nothing = (): void => undefined;
const LOG = { error: nothing, warn: nothing, info: nothing, debug: nothing };

export const FILE = {
  device: { id: 'd' },
  broker: { urls: ['mqtt://localhost'], username: 'ops' },
  ledger: { dir: '/l', maxBytes: '64MiB', retain: '30d' },
  remote: {
    allow: ['/broker/urls', '/broker/keepAlive', '/broker/username', '/ledger', '/sensors', '/host', '/log'].filter(
      (pointer) => pointer !== '/ledger',
    ),
    pin: ['/broker/username'],
  },
};
export const WITH_LEDGER = { ...FILE, remote: { allow: ['/ledger/maxBytes', '/ledger/retain', '/log', '/host'] } };

function baseOf(value: object): BaseFile {
  const parsed = parseDeviceValue(value);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return { value: value as Table, config: parsed.config };
}

interface More {
  readonly boot?: string;
  /** The file is not valid; this is what ran last. */
  readonly standIn?: object;
}

export interface Rig {
  readonly remote: RemoteConfig;
  /** Another process on the same disk. */
  readonly again: (file: object, more?: More) => Promise<RemoteConfig>;
  readonly switches: () => number;
  readonly disk: ModelDisk;
  readonly clock: HandClock;
  /** Why no agent could be started now. */
  readonly places: { problem: string | undefined };
}

/** `edited`: device.json as a reload finds it. */
export async function rig(file: object, edited?: () => object): Promise<Rig> {
  const disk = new ModelDisk(seededRandom(1));
  const clock = new HandClock();
  const places: { problem: string | undefined } = { problem: undefined };
  let switches = 0;
  const again = async (from: object, { boot = 'b', standIn }: More = {}): Promise<RemoteConfig> => {
    const remote = new RemoteConfig({
      disk,
      clock,
      log: LOG,
      chance: { unit: () => 0, bytes: (count) => Buffer.alloc(count, 7) },
      boot: { id: boot, nowMs: () => clock.monotonicMs() },
      readBase: (): BaseRead => ({ kind: 'valid', ...baseOf(edited?.() ?? from) }),
      startProblem: () => Promise.resolve(places.problem),
      onSwitch: () => {
        switches += 1;
      },
    });
    await remote.open(baseOf(standIn ?? from), standIn !== undefined);
    await remote.take();
    return remote;
  };
  return { remote: await again(file), again, switches: () => switches, disk, clock, places };
}

/** Asks for a change of the configuration. */
export function set(remote: RemoteConfig, base: number, patch: unknown, id = 'c1'): ReturnType<RemoteConfig['begin']> {
  const target = { kind: 'patch', patch } as const;
  const asked = { command: 'config.set', id, by: 'ops' };
  return remote.begin({ ...asked, base, target, withinMs: 60_000, trial: false, check: true });
}

export async function codeOf(begun: ReturnType<RemoteConfig['begin']>): Promise<string> {
  const result = await begun;
  return result.kind === 'refused' ? result.code : result.kind;
}

/** Begun, run and found sound by the device itself. */
export async function change(remote: RemoteConfig, base: number, patch: unknown): Promise<void> {
  assert.equal(await codeOf(set(remote, base, patch, `c${base}`)), 'begun');
  await remote.take();
  await remote.started(() => []);
}

/** As the disk throws it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}
