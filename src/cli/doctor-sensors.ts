/**
 * The sensors' part of `fieldpost doctor`: is the port there, may it be opened, who else has it, and what comes. A line that
 * the running agent holds is left to it: a tty has a lock, and a TCP serial server may give the line to the newcomer. Like
 * `fieldpost read` it asks a device what its configuration says and never answers one.
 */
import { constants } from 'node:fs';
import { access, readdir, readFile, stat } from 'node:fs/promises';
import type { DeviceConfig } from '../config/schema.ts';
import { Fault, reasonOf, systemCodeOf } from '../fault.ts';
import { usersOf } from '../platform/port-users.ts';
import type { LineUser } from '../ports-line.ts';
import type { RunningAgent } from './doctor-agent.ts';
import { failed, type Finding, ok, orBroken, type PartFindings, skipped, warning, within } from './doctor-finding.ts';
import { countersText, verdictText } from './read-verdict.ts';
import { countText } from './reading-text.ts';
import { openSession, portText, type Session } from './sensor-session.ts';

type Sensor = DeviceConfig['sensors'][number];

const BY_ID = '/dev/serial/by-id';
const PORTS_SHOWN = 8;
const OPEN_MS = 10_000;
const CLOSE_MS = 5000;
/** Fewer bytes without a sound frame may be the rest of a telegram that had begun before we came; meters send up to 2 kB. */
const NOISE_BYTES = 2048;

export interface SensorLook {
  readonly agent: RunningAgent | undefined;
  /** How long each line is listened to. */
  readonly seconds: number;
  /** Asked from inside the agent, whose lines these are: none is opened, not even one that nobody holds at the moment. */
  readonly isOwn: boolean;
}

/** Lines side by side, the sensors of one line one after the other: each opens it for itself. */
export async function sensorParts(sensors: readonly Sensor[], look: SensorLook): Promise<readonly PartFindings[]> {
  const lines = new Map<string, Sensor[]>();
  for (const sensor of sensors) {
    const where = portText(sensor.port);
    lines.set(where, [...(lines.get(where) ?? []), sensor]);
  }
  const parts = new Map<string, PartFindings>();
  await Promise.all(
    [...lines.values()].map(async (onLine) => {
      for (const sensor of onLine) {
        const findings = await orBroken('line', () => sensorFindings(sensor, look));
        parts.set(sensor.id, { part: `sensor ${sensor.id}`, findings });
      }
    }),
  );
  return sensors.flatMap(({ id }) => parts.get(id) ?? []);
}

async function sensorFindings(sensor: Sensor, { agent, seconds, isOwn }: SensorLook): Promise<readonly Finding[]> {
  const { port } = sensor;
  if (port.kind === 'tcp') {
    if (agent === undefined) return listen(sensor, seconds, []);
    return [ok('port', `${portText(port)}, left to the running agent`), leftToAgent()];
  }
  const there = await portFinding(port.path);
  if (there.state !== 'ok') return [there, skipped('line', 'the port can not be opened')];
  const users = await usersOf(port.path);
  const others = users.filter(({ pid }) => pid !== agent?.pid);
  // Between two openings of its line the agent waits to open it again, and `usersOf` never names its own process.
  if (isOwn) return [there, ...othersFindings(others), leftToAgent()];
  const ours = agent !== undefined && (others.length < users.length || agent.pid === undefined);
  const findings = [there, ...othersFindings(others)];
  if (ours) return [...findings, ok('lock', 'in use by the agent'), leftToAgent()];
  return listen(sensor, seconds, findings);
}

function leftToAgent(): Finding {
  return skipped('line', "the agent reads it; what it says of it is in the service's part");
}

async function portFinding(path: string): Promise<Finding> {
  try {
    const found = await stat(path);
    if (!found.isCharacterDevice()) {
      return failed('port', `${path} is no serial port`, 'correct port.path of the sensor');
    }
    await access(path, constants.R_OK | constants.W_OK);
    return ok('port', path);
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === 'ENOENT') {
      return failed('port', `${path} is not there`, `check cable, adapter and port.path; ${await portsText()}`);
    }
    if (code !== 'EACCES') return failed('port', reasonOf(error), 'check port.path of the sensor');
    const group = await groupOf(path);
    return failed(
      'port',
      `${path}: this user may not open it`,
      `usermod -aG ${group} fieldpost (the service's user), then restart it`,
    );
  }
}

async function portsText(): Promise<string> {
  const names = await readdir(BY_ID).catch(() => []);
  if (names.length === 0) return `there is no USB serial port now (${BY_ID})`;
  return `there are ${names
    .slice(0, PORTS_SHOWN)
    .map((name) => `${BY_ID}/${name}`)
    .join(', ')}`;
}

async function groupOf(path: string): Promise<string> {
  const { gid } = await stat(path);
  const groups = await readFile('/etc/group', 'utf8').catch(() => '');
  return /^([^:]+)/.exec(groups.split('\n').find((line) => line.split(':')[2] === String(gid)) ?? '')?.[1] ?? 'dialout';
}

function othersFindings(users: readonly LineUser[]): readonly Finding[] {
  if (users.length === 0) return [];
  const names = users.map(({ program, pid }) => `${program} (process ${pid})`).join(', ');
  const found = `${names} has it open and takes bytes away`;
  return [failed('other programs', found, 'stop it; see "Serial ports" in docs/OPERATIONS.md')];
}

async function listen(sensor: Sensor, seconds: number, before: readonly Finding[]): Promise<readonly Finding[]> {
  let taken = 0;
  const session = openSession({
    config: sensor,
    onReadings: (readings) => {
      taken += readings.length;
    },
    onEvent: () => {
      taken += 1;
    },
  });
  try {
    await within(session.start(), OPEN_MS, 'opening the line');
  } catch (error) {
    await within(session.stop(), CLOSE_MS, 'closing the line').catch(() => undefined);
    return [...before, openFinding(sensor, error), skipped('readings', 'the line is not open')];
  }
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const end = await within(session.stop(), CLOSE_MS, 'closing the line');
  const opened = ok('line', `${portText(sensor.port)} opened`);
  return [...before, opened, readingsFinding({ counters: session.counters, ...end, taken, seconds })];
}

function openFinding({ port }: Sensor, error: unknown): Finding {
  const todo =
    port.kind === 'tcp'
      ? 'check the serial server, its address and the network'
      : 'stop the program that holds it; `fuser -v` names it to root';
  return failed('line', error instanceof Fault ? error.message : reasonOf(error), todo);
}

export interface Heard {
  readonly counters: Session['counters'];
  readonly state: string;
  readonly why: string;
  /** Readings and events. */
  readonly taken: number;
  readonly seconds: number;
}

/** Pure. */
export function readingsFinding({ counters, state, why, taken, seconds }: Heard): Finding {
  const name = 'readings';
  const { bytes, frames, discardedBytes, invalid } = counters;
  const counts = `in ${seconds} s: ${countersText(counters)}`;
  if (taken > 0) return ok(name, `${countText(taken, 'value')} ${counts}`);
  const found = `${verdictText(counters, why)} ${counts}`;
  if (bytes === 0) {
    const todo = 'check wiring and power of the device; one that speaks rarely needs a larger --seconds';
    return state === 'error' ? failed(name, found, todo) : warning(name, found, todo);
  }
  if (frames > invalid) return warning(name, found, "compare the sensor's routes with `fieldpost decode`");
  const todo = 'check baud rate, parity and framing; `fieldpost capture` keeps the bytes for a closer look';
  const noise = state === 'error' || discardedBytes >= NOISE_BYTES;
  return noise ? failed(name, found, todo) : warning(name, found, `${todo}; a long telegram needs a larger --seconds`);
}
