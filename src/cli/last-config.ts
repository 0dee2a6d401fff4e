/**
 * What this device ran last, for a start on a device.json that is not valid or not to be read: a slip of whoever edited it, or
 * a disk that lost it, and then a power cut or `agent.restart`. Only systemd's directory is looked into: where else the state
 * might be, device.json would have to say.
 */
import { join } from 'node:path';
import { parseDeviceValue } from '../config/parse.ts';
import type { DeviceConfig } from '../config/schema.ts';
import { reasonOf } from '../fault.ts';
import { configDisk } from '../platform/config-disk.ts';
import type { Log } from '../ports.ts';
import type { BaseFile } from '../remote/judge.ts';
import { RemoteStore } from '../remote/store.ts';
import { type LoadedConfig, loadConfig } from './config-file.ts';
import { stateDirectoryOf } from './credentials.ts';
import { hasSamePlaces, startProblem } from './start-check.ts';

/** More help nobody, and an answer has its bounds. */
const PROBLEMS_LETTERS_MAX = 1000;

/**
 * Why a process that is started now could not run; undefined: it could. `running`: what runs now. A disk under it that fails is
 * no reason against a reboot of the machine, which may mend it.
 */
export async function startFault(
  file: string,
  running: DeviceConfig,
  of: 'process' | 'machine',
  log: Log,
): Promise<string | undefined> {
  const loaded = loadConfig(file);
  const config = loaded.kind === 'valid' ? loaded.config : (await lastConfig(log))?.config;
  const problem = config === undefined ? problemsOf(loaded) : await problemOn(config, running, of, log);
  return problem?.trim().slice(0, PROBLEMS_LETTERS_MAX);
}

function problemsOf(loaded: LoadedConfig): string | undefined {
  return loaded.kind === 'valid' ? undefined : loaded.text;
}

async function problemOn(
  config: DeviceConfig,
  running: DeviceConfig,
  of: 'process' | 'machine',
  log: Log,
): Promise<string | undefined> {
  return of === 'machine' && hasSamePlaces(config, running) ? undefined : startProblem(config, running, log);
}

/** Undefined: nothing is known to have run, or it does not belong there. Never rejects. */
export async function lastConfig(log: Log): Promise<BaseFile | undefined> {
  // Ours is one; of several, systemd puts colons between.
  const directory = process.env['STATE_DIRECTORY']?.split(':', 1)[0];
  if (directory === undefined || directory === '') return undefined;
  const state = join(directory, 'state');
  try {
    const value = await new RemoteStore(configDisk(join(state, 'config')), log).last();
    const parsed = value === undefined ? undefined : parseDeviceValue(value);
    if (value === undefined || parsed?.ok !== true || stateDirectoryOf(parsed.config) !== state) return undefined;
    return { value, config: parsed.config };
  } catch (error) {
    log.error('what ran last can not be read', { reason: reasonOf(error) });
    return undefined;
  }
}
