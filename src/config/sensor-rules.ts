/**
 * Rules between parts of the sensors: ids and lines are used once, and every name that a route uses is one that the
 * decoder gives. They look at the file as written, with whatever else may be wrong in it, so that their findings come
 * together with all others.
 */
import { MAX_DEFAULTS } from './framing-schema.ts';
import { nearest } from './nearest.ts';
import { groupNames, patternFault, REGEX_FRAME_BYTES_MAX } from './pattern.ts';
import { PORT_DEFAULTS } from './port-schema.ts';
import { foundText, type Problem, pointerOf } from './problem.ts';

const LINE_EXPECTED = 'unique: two sensors can not share one line, unless both are modbus';

type Path = readonly (string | number)[];

/** A name of a decoded value, where a route uses it. */
interface Use {
  readonly path: Path;
  readonly name: string;
}

export function sensorProblems(config: unknown): readonly Problem[] {
  const sensors = listOf(at(config, 'sensors'));
  const problems: Problem[] = [
    ...repeated(sensors, ['id'], 'unique'),
    ...repeated(sensors, ['port', 'path'], LINE_EXPECTED, isShared),
    ...repeated(sensors, ['port', 'tcp'], LINE_EXPECTED, isShared),
    ...busProblems(sensors),
  ];
  for (const [index, sensor] of sensors.entries()) {
    const path = ['sensors', index];
    problems.push(...nameProblems(sensor, path), ...frameProblems(sensor, path), ...recordProblems(sensor, path));
    problems.push(...numberingProblems(sensor, path));
  }
  return problems;
}

/** What the machine tells of itself goes out as the sensor "host"; and a schedule may not ask what is off. */
export function hostProblems(config: unknown): readonly Problem[] {
  const host = at(config, 'host') === undefined ? [] : listOf(at(config, 'sensors'));
  const taken = host.flatMap((sensor, index) =>
    at(sensor, 'id') === 'host'
      ? [{ pointer: `/sensors/${index}/id`, found: '"host"', expected: 'another name: "host" is the machine itself' }]
      : [],
  );
  const off = listOf(at(config, 'schedule')).flatMap((entry, index) => {
    const command = at(entry, 'command');
    const said = typeof command === 'string' ? at(at(config, 'commands'), command) : undefined;
    if (said !== 'off' && said !== 'signed') return [];
    const expected = `a command that is on: /commands says "${said}" of it`;
    return [{ pointer: pointerOf(['schedule', index, 'command']), found: foundText(command), expected }];
  });
  return [...taken, ...off, ...managementProblems(config)];
}

/** Who may sign is said where something must be signed; answers elsewhere are not among what other devices say. */
function managementProblems(config: unknown): readonly Problem[] {
  const problems: Problem[] = [];
  const commands = at(config, 'commands');
  const policies = typeof commands === 'object' && commands !== null ? Object.values(commands) : [];
  if (policies.includes('signed') && at(config, 'signers') === undefined) {
    const expected = 'given, as in {"file":"/etc/fieldpost/allowed_signers"}: /commands says "signed"';
    problems.push({ pointer: '/signers', found: 'nothing', expected });
  }
  const responses = at(at(config, 'topics'), 'responsePrefix');
  const prefix = at(at(config, 'topics'), 'prefix') ?? 'fp/v1';
  if (typeof responses === 'string' && typeof prefix === 'string') {
    const [inner, outer] = [`${responses}/`, `${prefix}/`];
    if (inner.startsWith(outer) || outer.startsWith(inner)) {
      const expected = `levels that are not those of the devices, ${prefix}`;
      problems.push({ pointer: '/topics/responsePrefix', found: foundText(responses), expected });
    }
  }
  return problems;
}

function repeated(
  sensors: readonly unknown[],
  keys: readonly string[],
  expected: string,
  mayRepeat: (sensor: unknown) => boolean = () => false,
): readonly Problem[] {
  const seen = new Map<unknown, boolean>();
  return sensors.flatMap((sensor, index) => {
    const value = keys.reduce(at, sensor);
    if (typeof value !== 'string') return [];
    const before = seen.get(value);
    seen.set(value, (before ?? true) && mayRepeat(sensor));
    if (before === undefined || (before && mayRepeat(sensor))) return [];
    return [{ pointer: pointerOf(['sensors', index, ...keys]), found: foundText(value), expected }];
  });
}

function isShared(sensor: unknown): boolean {
  return at(sensor, 'modbus') !== undefined;
}

/** Sensors of one bus: one speed, and each its own unit. */
function busProblems(sensors: readonly unknown[]): readonly Problem[] {
  const speeds = new Map<string, string>();
  const units = new Set<string>();
  return sensors.flatMap((sensor, index) => {
    const port = at(sensor, 'port');
    const line = at(port, 'path') ?? at(port, 'tcp');
    if (!isShared(sensor) || typeof line !== 'string') return [];
    const problems: Problem[] = [];
    const speed = JSON.stringify(Object.entries(PORT_DEFAULTS).map(([key, value]) => at(port, key) ?? value));
    if (speed !== (speeds.get(line) ?? speed)) {
      const pointer = pointerOf(['sensors', index, 'port']);
      problems.push({ pointer, found: foundText(port), expected: 'set as for the other sensors on this line' });
    }
    speeds.set(line, speeds.get(line) ?? speed);
    const unit = at(at(sensor, 'modbus'), 'unit');
    const key = `${line} ${String(unit)}`;
    if (typeof unit === 'number' && units.has(key)) {
      const pointer = pointerOf(['sensors', index, 'modbus', 'unit']);
      problems.push({ pointer, found: foundText(unit), expected: 'unique on its line' });
    }
    units.add(key);
    return problems;
  });
}

/** A regular expression gets short frames only: see pattern.ts. */
function frameProblems(sensor: unknown, path: Path): readonly Problem[] {
  const framing = at(sensor, 'framing');
  const type = at(framing, 'type');
  const key = type === 'fixed' ? 'length' : 'max';
  const said = at(framing, key);
  const most = said ?? Object.entries(MAX_DEFAULTS).find(([name]) => name === type)?.[1];
  if (at(at(sensor, 'decode'), 'type') !== 'regex' || typeof most !== 'number') return [];
  if (most <= REGEX_FRAME_BYTES_MAX) return [];
  const expected = `at most ${REGEX_FRAME_BYTES_MAX} with a regex decoder`;
  return [{ pointer: pointerOf([...path, 'framing', key]), found: foundText(said), expected }];
}

function nameProblems(sensor: unknown, path: Path): readonly Problem[] {
  const names = modbusNames(at(sensor, 'modbus')) ?? namesOf(at(sensor, 'decode'));
  if (names === undefined) return [];
  return usesOf(sensor, path)
    .filter((use) => !names.includes(use.name))
    .map((use) => {
      const near = nearest(use.name, names);
      return {
        pointer: pointerOf(use.path),
        found: foundText(use.name),
        expected: `a name that the decoder gives (${names.join(', ')})`,
        ...(near === undefined ? {} : { hint: `did you mean \`${near}\`?` }),
      };
    });
}

/** Names that the decoder gives; undefined where only the frames know. */
function namesOf(decode: unknown): readonly string[] | undefined {
  const type = at(decode, 'type');
  if (type === 'raw') return ['hex', 'length'];
  if (type === 'struct') return Object.keys(tableOf(at(decode, 'fields')));
  if (type === 'csv') {
    const columns = listOf(at(decode, 'columns')).filter((column) => typeof column === 'string');
    return columns.length === 0 ? undefined : columns;
  }
  const pattern = at(decode, 'pattern');
  if (type !== 'regex' || typeof pattern !== 'string' || patternFault(pattern) !== undefined) return undefined;
  return groupNames(pattern);
}

/** `poll` tells the records of one request from those of another. */
function modbusNames(modbus: unknown): readonly string[] | undefined {
  if (modbus === undefined) return undefined;
  return ['poll', ...listOf(at(modbus, 'polls')).flatMap((poll) => Object.keys(tableOf(at(poll, 'fields'))))];
}

/** What a route takes of a Modbus sensor stands in the record of one request; and a bus takes no answers. */
function recordProblems(sensor: unknown, path: Path): readonly Problem[] {
  const polls = listOf(at(at(sensor, 'modbus'), 'polls')).map((poll, index) => {
    const name = at(poll, 'name');
    const names = ['poll', ...Object.keys(tableOf(at(poll, 'fields')))];
    return { name: typeof name === 'string' ? name : String(index), names };
  });
  if (polls.length === 0) return [];
  return listOf(at(sensor, 'routes')).flatMap((route, index) => {
    const problem = (keys: Path, expected: string): Problem[] => {
      const found = foundText(keys.reduce<unknown>((value, key) => at(value, String(key)), route));
      return [{ pointer: pointerOf([...path, 'routes', index, ...keys]), found, expected }];
    };
    if (at(route, 'answer') !== undefined) return problem(['answer'], 'left out: a Modbus bus takes no answers');
    const when = at(at(route, 'when'), 'poll');
    const wanted = typeof when === 'string' ? when : JSON.stringify(when);
    const asked = polls.filter(({ name }) => when === undefined || name === wanted);
    if (asked.length === 0) {
      return problem(['when', 'poll'], `the name of a poll (${polls.map(({ name }) => name).join(', ')})`);
    }
    const uses = usesOfRoute(route, []).filter(({ name }) => polls.some(({ names }) => names.includes(name)));
    const kind = at(route, 'event') === undefined ? 'telemetry' : 'event';
    // Telemetry takes of its fields what there is.
    const needed = uses.filter((use) => kind === 'event' || use.path[0] === 'when');
    const taken = uses.filter((use) => use.path[0] !== 'when');
    const isThere = asked.some(
      ({ names }) => needed.every((use) => names.includes(use.name)) && taken.some((use) => names.includes(use.name)),
    );
    if (isThere || taken.length === 0) return [];
    return problem([kind, 'fields'], 'fields of one poll: each has a record of its own');
  });
}

/**
 * The numbers of a sensor are one series: a second one would find its numbers used, and of one frame no second event can be
 * made under the same number.
 */
function numberingProblems(sensor: unknown, path: Path): readonly Problem[] {
  const numbered = listOf(at(sensor, 'routes')).flatMap((route, index) => {
    const dedupe = at(at(route, 'event'), 'dedupe');
    return dedupe === undefined ? [] : [{ index, dedupe, when: tableOf(at(route, 'when')) }];
  });
  const [first, ...others] = numbered;
  if (first === undefined) return [];
  return others.flatMap(({ index, dedupe, when }, before) => {
    const route = [...path, 'routes', index];
    const problems = ['epoch', 'seq'].flatMap((key): Problem[] => {
      const wanted = at(first.dedupe, key);
      if (at(dedupe, key) === wanted) return [];
      const expected = `${foundText(wanted)}, as in route ${first.index}: a sensor has one numbering`;
      return [{ pointer: pointerOf([...route, 'event', 'dedupe', key]), found: foundText(at(dedupe, key)), expected }];
    });
    const same = numbered.slice(0, before + 1).find((other) => !isApart(other.when, when));
    if (same === undefined) return problems;
    const expected = `apart from that of route ${same.index} by a key that both name: a number of the sensor is one event`;
    return [...problems, { pointer: pointerOf([...route, 'when']), found: foundText(when), expected }];
  });
}

/** Whether no record fits both: some key has another value. Literals are compared as the text that a record has. */
function isApart(one: Readonly<Record<string, unknown>>, other: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(one).some(([key, value]) => Object.hasOwn(other, key) && String(other[key]) !== String(value));
}

function usesOf(sensor: unknown, path: Path): readonly Use[] {
  return listOf(at(sensor, 'routes')).flatMap((route, index) => usesOfRoute(route, [...path, 'routes', index]));
}

function usesOfRoute(route: unknown, start: Path): readonly Use[] {
  const event = at(route, 'event');
  const dedupe = at(event, 'dedupe');
  const write = at(at(route, 'answer'), 'write');
  return [
    ...Object.keys(tableOf(at(route, 'when'))).map((name) => ({ path: [...start, 'when', name], name })),
    ...fieldUses(at(at(route, 'telemetry'), 'fields'), [...start, 'telemetry', 'fields']),
    ...fieldUses(at(event, 'fields'), [...start, 'event', 'fields']),
    ...textUse(at(dedupe, 'epoch'), [...start, 'event', 'dedupe', 'epoch']),
    ...textUse(at(dedupe, 'seq'), [...start, 'event', 'dedupe', 'seq']),
    ...placeholders(write).map((name) => ({ path: [...start, 'answer', 'write'], name })),
  ];
}

function fieldUses(fields: unknown, path: Path): readonly Use[] {
  return Object.entries(tableOf(fields)).flatMap(([key, field]) => [
    ...textUse(at(field, 'from'), [...path, key, 'from']),
    ...textUse(at(field, 'unitFrom'), [...path, key, 'unitFrom']),
  ]);
}

function textUse(name: unknown, path: Path): readonly Use[] {
  return typeof name === 'string' ? [{ path, name }] : [];
}

/** Names in `{name}` of an answer's text. Other braces stand for themselves. */
export function placeholders(write: unknown): readonly string[] {
  if (typeof write !== 'string') return [];
  return [...write.matchAll(/\{([A-Za-z0-9._-]{1,64})\}/g)].map((found) => found[1] ?? '');
}

function at(value: unknown, key: string): unknown {
  return tableOf(value)[key];
}

function tableOf(value: unknown): Readonly<Record<string, unknown>> {
  const isTable = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isTable ? (value as Readonly<Record<string, unknown>>) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
