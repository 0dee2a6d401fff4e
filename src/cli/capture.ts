/**
 * `fieldpost capture`: everything that comes over a line, with its times, into a file that `replay` and `decode` read; and
 * meanwhile what it means, where a sensor or a profile says how to decode it.
 */
import { parseArgs } from 'node:util';
import { Fault, reasonOf } from '../fault.ts';
import type { SensorCounters } from '../sensor/sensor.ts';
import { CaptureTable } from './capture-table.ts';
import { CaptureWriter } from './capture-writer.ts';
import { EXIT } from './exit.ts';
import { bytesOption, numberOption, wholeOption } from './option-values.ts';
import { print } from './print.ts';
import { countText, eventText, readingsText } from './reading-text.ts';
import { type RunTime, SECONDS, startRunTime } from './run-time.ts';
import { type Sensor, sensorOfConfig, sensorOfProfile, sensorOfValue } from './sensor-choice.ts';
import { openSession, portText } from './sensor-session.ts';

const OPTIONS = {
  config: { type: 'string' },
  port: { type: 'string' },
  baud: { type: 'string' },
  'data-bits': { type: 'string' },
  parity: { type: 'string' },
  'stop-bits': { type: 'string' },
  profile: { type: 'string' },
  out: { type: 'string' },
  seconds: { type: 'string' },
  bytes: { type: 'string', default: '1GiB' },
  json: { type: 'boolean', default: false },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'];

const BYTES = { low: 1, high: 1024 ** 4 };
/** The table in place: often enough to follow, seldom enough to read. */
const SHOW_MS = 500;
/** host:port of a raw TCP serial server; anything with a slash is a path. */
const TCP = /^[^/]+:\d{1,5}$/;

export async function captureCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS });
  const seconds = values.seconds === undefined ? undefined : numberOption('--seconds', values.seconds, SECONDS);
  const bytesMax = bytesOption('--bytes', values.bytes, BYTES);
  const config = sensorOf(values, positionals);
  if (values.out === undefined) throw new Fault('usage', '--out FILE must say where the bytes go');
  const writer = new CaptureWriter(values.out, portText(config.port));
  const time = startRunTime(seconds);
  try {
    return await capture({ config, writer, time, bytesMax, shows: isDecoded(values, positionals), json: values.json });
  } catch (error) {
    if (error instanceof Fault && error.code === 'line.open') writer.discard();
    throw error;
  } finally {
    time.end();
    writer.close();
  }
}

interface Capture {
  readonly config: Sensor;
  readonly writer: CaptureWriter;
  readonly time: RunTime;
  readonly bytesMax: number;
  readonly shows: boolean;
  readonly json: boolean;
}

async function capture({ config, writer, time, bytesMax, shows, json }: Capture): Promise<number> {
  let written = 0;
  const ended: { failure?: Error } = {};
  /** A disk that is full ends the run, not the process. */
  const write = (step: () => void): void => {
    if (time.stop.aborted) return;
    try {
      step();
    } catch (error) {
      ended.failure = error instanceof Error ? error : new Error(reasonOf(error));
      time.end();
    }
  };
  const table = new CaptureTable(performance.now());
  const inPlace = shows && !json && process.stdout.isTTY;
  const session = openSession({
    config,
    onReadings: (readings) => {
      table.take(readings, performance.now());
      if (shows && !inPlace) process.stdout.write(readingsText(readings, Date.now(), json));
    },
    onEvent: (draft) => {
      if (shows && !inPlace) process.stdout.write(eventText(draft, Date.now(), json));
    },
    tap: {
      opened: () => write(() => writer.opened()),
      lost: (why) => write(() => writer.lost(why)),
      bytes: (chunk) =>
        write(() => {
          const kept = chunk.subarray(0, bytesMax - written);
          writer.bytes(kept);
          written += kept.length;
          if (written >= bytesMax) time.end();
        }),
    },
  });
  await Promise.race([session.start(), time.ended]);
  const painter = inPlace ? new Painter() : undefined;
  const paint = (): void => {
    const { frames, bytes } = session.counters;
    const head = { port: portText(config.port), bytes, frames, trouble: troubleText(session.counters) };
    painter?.paint((rows, columns) => table.lines(head, performance.now(), rows, columns));
  };
  const timer = setInterval(paint, SHOW_MS);
  await time.ended;
  clearInterval(timer);
  paint();
  await session.stop();
  // What was shown has to be out before the process ends.
  await print('');
  if (ended.failure !== undefined) throw ended.failure;
  const { frames } = session.counters;
  const trouble = troubleText(session.counters);
  const decoded = shows ? `; ${countText(frames, 'frame')}${trouble === '' ? '' : `; ${trouble}`}` : '';
  process.stderr.write(`${countText(written, 'byte')} captured${decoded}\n`);
  return EXIT.done;
}

/** What the counters of the line say of bytes and frames that made no reading. */
function troubleText({
  discardedBytes,
  checkErrors,
  oversize,
  invalid,
  reopens,
  openFailures,
}: SensorCounters): string {
  const named = { discardedBytes, checkErrors, oversize, invalid, reopens, openFailures };
  return Object.entries(named)
    .flatMap(([name, count]) => (count === 0 ? [] : [`${name} ${count}`]))
    .join(', ');
}

/** Draws over what it drew before. */
class Painter {
  #height = 0;

  paint(linesOf: (rows: number, columns: number) => readonly string[]): void {
    // A terminal without a size says 0.
    const { rows, columns } = process.stdout;
    const lines = linesOf((rows || 24) - 1, (columns || 80) - 1);
    const back = this.#height === 0 ? '' : `\u001b[${this.#height}A`;
    process.stdout.write(`${back}\u001b[J${lines.map((line) => `${line}\n`).join('')}`);
    this.#height = lines.length;
  }
}

function isDecoded({ profile }: Values, positionals: readonly string[]): boolean {
  return profile !== undefined || positionals.length > 0;
}

function sensorOf(values: Values, positionals: readonly string[]): Sensor {
  const [id, more] = positionals;
  const { port, profile, config } = values;
  if (more !== undefined) throw new Fault('usage', 'one sensor at a time');
  if (id !== undefined) {
    const others = [port, profile, values.baud, values['data-bits'], values.parity, values['stop-bits']];
    if (others.some((each) => each !== undefined)) {
      throw new Fault('usage', 'either a sensor of --config FILE, or --port with its settings');
    }
    return sensorOfConfig(config ?? 'device.json', id);
  }
  if (port === undefined || config !== undefined) {
    throw new Fault('usage', 'must be told what to listen to: a sensor and --config FILE, or --port');
  }
  const keys = portKeys(port, values);
  if (profile !== undefined) return sensorOfProfile(profile, keys);
  // Nothing is decoded; what is shown are bytes.
  const length = { telemetry: { every: '1s', fields: { length: { from: 'length' } } } };
  const raw = { framing: { type: 'gap', silence: '50ms' }, decode: { type: 'raw' }, routes: [length] };
  return sensorOfValue({ id: 'line', port: keys, ...raw });
}

/** In the words of device.json, which judges them. */
function portKeys(port: string, values: Values): Readonly<Record<string, unknown>> {
  const whole = { low: 0, high: 4_000_000 };
  const { baud, parity } = values;
  return {
    ...(TCP.test(port) ? { tcp: port } : { path: port }),
    ...(baud === undefined ? {} : { baudRate: wholeOption('--baud', baud, whole) }),
    ...(parity === undefined ? {} : { parity }),
    ...(values['data-bits'] === undefined ? {} : { dataBits: wholeOption('--data-bits', values['data-bits'], whole) }),
    ...(values['stop-bits'] === undefined ? {} : { stopBits: numberOption('--stop-bits', values['stop-bits'], whole) }),
  };
}
