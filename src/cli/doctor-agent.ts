/**
 * Whether an agent runs on this ledger, and what it says of itself, seen from outside: its lock is an abstract socket named
 * after the ledger's directory (ledger-files.ts), which /proc/net/unix lists, and its words are in status.json. Nothing is
 * locked and nothing is asked, so a running agent does not notice.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DeviceConfig } from '../config/schema.ts';
import { parseJson } from '../platform/json.ts';
import { stateDirectoryOf } from './credentials.ts';

const STATUS_BYTES_MAX = 1024 * 1024;
/** Where the unit's RuntimeDirectory is. */
const RUNTIME_DIRECTORY = '/run/fieldpost';

export interface RunningAgent {
  /** Undefined: a process of another user. */
  readonly pid: number | undefined;
}

export interface AgentStatus {
  readonly at: string;
  readonly connected: boolean;
  readonly degraded: readonly string[];
  /** Bytes in the last day of running; undefined: it does not say. */
  readonly writtenBytesDay: number | undefined;
}

export function findAgent(ledgerDirectory: string): RunningAgent | undefined {
  try {
    const { dev, ino } = statSync(ledgerDirectory);
    const end = ` @fieldpost-ledger-${dev}-${ino}`;
    const line = readFileSync('/proc/net/unix', 'utf8')
      .split('\n')
      .find((each) => each.replace(/@*$/, '').endsWith(end));
    const inode = line?.trim().split(/\s+/)[6];
    return inode === undefined ? undefined : { pid: holderOf(`socket:[${inode}]`) };
  } catch {
    return undefined;
  }
}

function holderOf(link: string): number | undefined {
  for (const name of entriesOf('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    for (const fd of entriesOf(`/proc/${name}/fd`)) {
      try {
        if (readlinkSync(`/proc/${name}/fd/${fd}`) === link) return Number(name);
      } catch {
        // Closed meanwhile.
      }
    }
  }
  return undefined;
}

function entriesOf(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** The newest status.json of this device; undefined: none can be read. */
export function readStatus(config: DeviceConfig): AgentStatus | undefined {
  const state = stateDirectoryOf(config);
  const given = process.env['RUNTIME_DIRECTORY'];
  const places = [...(given === undefined ? [] : [given]), RUNTIME_DIRECTORY, state];
  const found = places.flatMap((place) => statusAt(join(place, 'status.json'), config.device.id) ?? []);
  return found.sort((one, other) => other.at.localeCompare(one.at))[0];
}

function statusAt(path: string, device: string): AgentStatus | undefined {
  try {
    if (statSync(path).size > STATUS_BYTES_MAX) return undefined;
    return parseStatus(parseJson(readFileSync(path, 'utf8')), device);
  } catch {
    return undefined;
  }
}

/** Undefined: of another device, or not what the agent writes. */
function parseStatus(document: unknown, device: string): AgentStatus | undefined {
  const { at, device: of, connected, degraded, disk } = membersOf(document);
  if (of !== device || typeof at !== 'string' || !Array.isArray(degraded)) return undefined;
  const written = Number(membersOf(disk)['written_bytes_day']);
  return {
    at,
    connected: connected === true,
    degraded: degraded.map(String),
    writtenBytesDay: Number.isFinite(written) ? written : undefined,
  };
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
