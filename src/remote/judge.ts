/**
 * What the device runs: device.json with the overlay over it, as far as device.json allows, judged as any device.json is and
 * by the few rules that hold for remote changes only. Pure.
 */
import { type ParseResult, parseDeviceValue } from '../config/parse.ts';
import { type Problem, pointerOf } from '../config/problem.ts';
import { isAboveOne, isCovered, REMOTE_KEYS } from '../config/remote-keys.ts';
import type { DeviceConfig } from '../config/schema.ts';
import { type Overlay, sha256 } from './documents.ts';
import {
  applyPatch,
  isEqual,
  isTable,
  leavesOf,
  type Path,
  restrictPatch,
  type Table,
  valueAt,
} from './merge-patch.ts';

/** device.json as it is: its JSON, and what the schema made of it. */
export interface BaseFile {
  readonly value: Table;
  readonly config: DeviceConfig;
}

export type BaseRead = ({ readonly kind: 'valid' } & BaseFile) | { readonly kind: 'invalid'; readonly text: string };

export interface Effective extends BaseFile {
  /** sha256 of the parsed configuration, base64url. */
  readonly hash: string;
}

export type Judged =
  | { readonly kind: 'valid'; readonly effective: Effective }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] };

/** Keys of a sensor that decide what may be written to its line by command: the local file's alone. */
const LOCAL_SENSOR_KEYS = ['writes'];

/** Whether an overlay may set or take away what stands there. */
export function mayChange(leaf: Path, { remote }: DeviceConfig): boolean {
  const { allow, pin } = remote;
  if (!isCovered(leaf, REMOTE_KEYS) || !isCovered(leaf, allow)) return false;
  return !isCovered(leaf, pin) && !isAboveOne(leaf, pin);
}

/** device.json with what it allows of the patch over it. */
export function withOverlay(base: BaseFile, patch: Table): Table {
  const merged = applyPatch(
    base.value,
    restrictPatch(patch, (leaf) => mayChange(leaf, base.config)),
  );
  return isTable(merged) ? merged : base.value;
}

export function judgeValue(base: BaseFile, value: Table): Judged {
  const parsed: ParseResult = parseDeviceValue(value);
  if (!parsed.ok) return { kind: 'invalid', problems: parsed.problems };
  const { config } = parsed;
  const problems = [...ledgerProblems(base.config, config), ...sensorProblems(base, { value, config })];
  if (problems.length > 0) return { kind: 'invalid', problems };
  return { kind: 'valid', effective: { value, config, hash: hashOf(config) } };
}

export function hashOf(config: DeviceConfig): string {
  return sha256(JSON.stringify(config));
}

/** An overlay as it is kept: with what device.json says now at each place that it sets. */
export function overlayOf(base: BaseFile, patch: Table): Overlay {
  const was = leavesOf(patch).map((leaf) => [pointerOf(leaf), digestAt(base, leaf)] as const);
  return { patch, was: Object.fromEntries(was) };
}

/** Pointers where device.json was edited since the overlay was made, which nevertheless holds. */
export function shadowedBy(base: BaseFile, { patch, was }: Overlay): readonly string[] {
  return leavesOf(patch)
    .filter((leaf) => mayChange(leaf, base.config))
    .filter((leaf) => was[pointerOf(leaf)] !== undefined && was[pointerOf(leaf)] !== digestAt(base, leaf))
    .map(pointerOf);
}

/** Ids of sensors that are new, or not as they were. */
export function changedSensors(before: Table, after: Table): readonly string[] {
  const old = sensorsOf(before);
  return [...sensorsOf(after)].filter(([id, sensor]) => !isEqual(old.get(id), sensor)).map(([id]) => id);
}

function digestAt({ value }: BaseFile, leaf: Path): string {
  return sha256(JSON.stringify(valueAt(value, leaf)) ?? 'nothing');
}

/** What was promised of accepted events is not taken back from afar. */
function ledgerProblems({ ledger: base }: DeviceConfig, { ledger }: DeviceConfig): readonly Problem[] {
  const problems: Problem[] = [];
  const tell = (key: string, expected: string, found: unknown): void => {
    problems.push({
      pointer: `/ledger/${key}`,
      found: String(found),
      expected: `${expected}: only device.json lowers it`,
    });
  };
  if (ledger.maxBytes < base.maxBytes) tell('maxBytes', `at least ${base.maxBytes} bytes`, ledger.maxBytes);
  if (ledger.retain < base.retain) tell('retain', `at least ${base.retain} ms`, ledger.retain);
  if (base.receipts && !ledger.receipts) tell('receipts', 'true', false);
  return problems;
}

function sensorProblems(base: BaseFile, { value, config }: BaseFile): readonly Problem[] {
  const problems: Problem[] = [];
  const known = sensorsOf(base.value);
  const ports = new Set(base.config.sensors.map(({ port }) => (port.kind === 'tty' ? port.path : undefined)));
  for (const [index, { id, port }] of config.sensors.entries()) {
    for (const key of LOCAL_SENSOR_KEYS) {
      const found = valueAt(sensorsOf(value).get(id), [key]);
      if (isEqual(found, valueAt(known.get(id), [key]))) continue;
      const expected = `as device.json has it for the sensor ${id}: it is never changed by command`;
      problems.push({ pointer: `/sensors/${index}/${key}`, found: 'something else', expected });
    }
    if (port.kind !== 'tty' || ports.has(port.path) || isDevice(port.path)) continue;
    const expected = 'a path below /dev/ without "..": a command reaches no other file';
    problems.push({ pointer: `/sensors/${index}/port/path`, found: JSON.stringify(port.path), expected });
  }
  return problems;
}

function isDevice(path: string): boolean {
  return path.startsWith('/dev/') && !path.split('/').includes('..');
}

function sensorsOf(value: Table): ReadonlyMap<string, unknown> {
  const { sensors } = value;
  const list: readonly unknown[] = Array.isArray(sensors) ? sensors : [];
  return new Map(list.map((sensor) => [String(valueAt(sensor, ['id'])), sensor]));
}
