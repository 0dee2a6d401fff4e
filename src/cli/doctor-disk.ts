/**
 * The disk's part of `fieldpost doctor`: where the ledger lies, whether what is written there stays, whether there is room for
 * what it may still take, and whether what is in it is sound. It only reads, beside a running agent too.
 */
import { accessSync, constants, existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { readdir, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { DeviceConfig } from '../config/schema.ts';
import { reasonOf, systemCodeOf } from '../fault.ts';
import { pendingCount, unsettledCount } from '../ledger/state.ts';
import { verifyLedger } from '../ledger/verify.ts';
import { type LedgerView, viewLedger } from '../ledger/view.ts';
import { ledgerReader } from '../platform/ledger-files.ts';
import type { AgentStatus } from './doctor-agent.ts';
import { failed, type Finding, ok, orBroken, skipped, warning, within } from './doctor-finding.ts';

type LedgerConfig = DeviceConfig['ledger'];

const MIB = 1024 * 1024;
/** More of it takes a small device long: then the newest segments are checked. */
const VERIFIED_BYTES_MAX = 64 * MIB;
const LEDGER_MS = 60_000;
/** Segments that must fit at once: the one that is written and the one that is made ready. */
const SEGMENTS_AHEAD = 2;
const IN_MEMORY = ['tmpfs', 'ramfs', 'devtmpfs'];

/** `isOwn`: asked from inside the agent that writes this ledger, which reading it whole would hold up. */
export async function diskFindings(
  config: LedgerConfig,
  status: AgentStatus | undefined,
  isOwn: boolean,
): Promise<readonly Finding[]> {
  const place = nearestDirectory(config.dir);
  const written = directoryFinding(config.dir, place);
  const mount = mountOf(readFileSync('/proc/mounts', 'utf8'), realpathSync(place));
  if (written.state === 'failed') {
    return [written, mediumFinding(mount), skipped('ledger', 'the directory can not be used')];
  }
  const used = await usedBytes(config.dir);
  const { bavail, bsize } = await statfs(place);
  const outside = [written, mediumFinding(mount), spaceFinding(config, used, bavail * bsize)];
  const inside =
    used === 0
      ? [skipped('ledger', 'there is no event in it yet')]
      : isOwn
        ? [skipped('ledger', `not read by the agent that writes it: fieldpost ledger verify --dir ${config.dir}`)]
        : await orBroken('ledger', () => within(ledgerFindings(config), LEDGER_MS, 'reading the ledger'));
  const wear = status?.writtenBytesDay;
  const wears = wear === undefined ? [] : [ok('wear', `${mib(wear)} written in a day of running`)];
  return [...outside, ...inside, ...wears];
}

function nearestDirectory(path: string): string {
  let at = resolve(path);
  while (!existsSync(at) && at !== dirname(at)) at = dirname(at);
  return at;
}

function directoryFinding(directory: string, place: string): Finding {
  const name = 'directory';
  const todo = `let the service's user write in ${place}`;
  try {
    if (!statSync(place).isDirectory()) return failed(name, `${place} is no directory`, 'correct ledger.dir');
    accessSync(place, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    if (systemCodeOf(error) !== 'EROFS') return failed(name, reasonOf(error), todo);
    return failed(name, `${place} is read-only`, 'mount it for writing; a card that turns read-only is failing');
  }
  return ok(name, place === resolve(directory) ? place : `${directory} is made at the first start`);
}

export interface Mount {
  readonly point: string;
  readonly type: string;
}

/** Of the mount that holds `path`, by the text of /proc/mounts; the newest counts, which stands last. Pure. */
export function mountOf(mounts: string, path: string): Mount | undefined {
  let found: Mount | undefined;
  for (const line of mounts.split('\n')) {
    const [, at = '', type = ''] = line.split(' ');
    const point = at.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    const holds = point !== '' && (path === point || path.startsWith(point === '/' ? '/' : `${point}/`));
    if (holds && point.length >= (found?.point.length ?? 0)) found = { point, type };
  }
  return found;
}

function mediumFinding(mount: Mount | undefined): Finding {
  const name = 'file system';
  if (mount === undefined) return skipped(name, 'the system does not tell');
  const found = `${mount.type} at ${mount.point}`;
  if (!IN_MEMORY.includes(mount.type)) return ok(name, found);
  return warning(name, `${found}: memory, events would not survive a power cut`, 'put ledger.dir on a disk or card');
}

/** Pure. */
export function spaceFinding({ maxBytes, segmentBytes }: LedgerConfig, used: number, free: number): Finding {
  const name = 'space';
  const wanted = Math.max(0, maxBytes - used);
  const found = `${mib(free)} free; the ledger has ${mib(used)} and may take ${mib(wanted)} more`;
  const todo = 'free space, or lower ledger.maxBytes';
  if (free < Math.min(wanted, SEGMENTS_AHEAD * segmentBytes)) return failed(name, `${found}: full`, todo);
  return free < wanted ? warning(name, found, todo) : ok(name, found);
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}

async function usedBytes(directory: string): Promise<number> {
  if (!existsSync(directory)) return 0;
  const entries = await ledgerReader(directory).list();
  return entries.filter(({ name }) => name.endsWith('.seg')).reduce((sum, { bytes }) => sum + bytes, 0);
}

async function ledgerFindings({ dir, receipts }: LedgerConfig): Promise<readonly Finding[]> {
  const view = await viewLedger(ledgerReader(dir), (ms) => pause(ms));
  const { lives } = view.state;
  const sum = (count: (life: (typeof lives)[number]) => number): number =>
    lives.reduce((total, life) => total + count(life), 0);
  const dead = sum((life) => life.dead.size);
  const unsettled = receipts ? `, ${sum((life) => unsettledCount(life, true))} without a receipt` : '';
  const waiting = `${sum(pendingCount)} events not handed over${unsettled}, ${dead} dead`;
  const letters = 'look at them with the command events.dead; send again with events.retry';
  return [
    await soundFinding(dir, view),
    dead > 0 ? warning('events', waiting, letters) : ok('events', waiting),
    ...(await quarantineFinding(dir)),
  ];
}

async function soundFinding(dir: string, view: LedgerView): Promise<Finding> {
  const viewed = newestOf(view.viewed);
  const verdict = await verifyLedger(ledgerReader(dir), { ...view, viewed }, () => undefined);
  const [oldest] = viewed;
  const whole = viewed.length === view.viewed.length;
  // That older events are missing is how a part of a ledger looks.
  const problems = verdict.problems.filter(
    ({ segment, seq }) => whole || segment !== oldest?.name || seq >= oldest.baseSeq,
  );
  const part = whole ? '' : `; the newest ${viewed.length} of ${view.viewed.length} segments were looked at`;
  const [first] = problems;
  if (first === undefined) return ok('ledger', `sound: ${verdict.events} events${part}`);
  const found = `damaged, first at ${first.epoch} seq ${first.seq}: ${first.what} (${first.segment})${part}`;
  return failed('ledger', found, `fieldpost ledger verify --dir ${dir} tells all; save a copy, replace the card`);
}

function newestOf(segments: LedgerView['viewed']): LedgerView['viewed'] {
  let bytes = 0;
  const first = segments.findLastIndex((segment) => {
    bytes += segment.bytes;
    return bytes > VERIFIED_BYTES_MAX;
  });
  return segments.slice(Math.min(first + 1, segments.length - 1));
}

async function quarantineFinding(dir: string): Promise<readonly Finding[]> {
  const kept = await readdir(join(dir, 'quarantine')).catch(() => []);
  if (kept.length === 0) return [];
  const found = `${kept.length} pieces of damaged bytes are kept in ${join(dir, 'quarantine')}`;
  return [warning('quarantine', found, 'save them and replace the card; then remove them')];
}
