/** What the remote configuration needs of the process that it is part of. */
import type { DeviceConfig } from '../config/schema.ts';
import type { Chance, Clock, Log } from '../ports.ts';
import type { ConfigDisk } from './disk.ts';
import type { BaseRead } from './judge.ts';

export interface RemoteConfigOptions {
  readonly disk: ConfigDisk;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly log: Log;
  readonly boot: { readonly id: string; readonly nowMs: () => number };
  readonly readBase: () => BaseRead;
  /** Why no agent could be started on it, as far as that can be tried beside the one that runs; undefined: one could. */
  readonly startProblem: (config: DeviceConfig, running: DeviceConfig) => Promise<string | undefined>;
  /** Another configuration is to be run: the agent ends, and `take` says on what it starts again. */
  readonly onSwitch: () => void;
}
