/**
 * A sensor as the agent would run it, but with no broker and no ledger: `read` and `capture` look at it. Requests and
 * initial steps are sent; answers never, since nothing is on disk: the routes it is given have none. The lock on a tty keeps
 * it from taking bytes away from a running agent; a TCP serial server has no lock, and may give the line to the newcomer.
 */
import { Fault } from '../fault.ts';
import { systemChance } from '../platform/chance.ts';
import { systemClock } from '../platform/clock.ts';
import { systemCron } from '../platform/cron.ts';
import { parseJson } from '../platform/json.ts';
import { lineOpener } from '../platform/lines.ts';
import { createLog } from '../platform/log.ts';
import type { AppendResult, EventDraft, EventSink } from '../ports.ts';
import type { PortSpec } from '../ports-line.ts';
import type { SensorConfig } from '../sensor/config.ts';
import type { EventMemory } from '../sensor/event-rule.ts';
import { lineHint } from '../sensor/hint.ts';
import type { Reading } from '../sensor/route.ts';
import { type CreateSamples, Sensor, type SensorCounters } from '../sensor/sensor.ts';
import { lineFactory } from '../serial/line.ts';
import { modbusBuses } from '../serial/modbus-bus.ts';
import { owedAnswers } from '../serial/owed-answers.ts';
import { type LineTap, tappedOpener } from './line-tap.ts';

export interface SessionOptions {
  readonly config: SensorConfig;
  /** Readings of one record, as a route names them. */
  readonly onReadings: (readings: readonly Reading[]) => void;
  /** What the agent would write to its ledger. */
  readonly onEvent: (draft: EventDraft) => void;
  /** Sees what comes over the line, before the sensor. */
  readonly tap?: LineTap;
}

export interface Session {
  readonly counters: SensorCounters;
  /** Resolves when the line is open. Rejects with Fault `line.open` when it can not be opened at the first try. */
  start(): Promise<void>;
  /** Resolves with how the sensor does at the end. */
  stop(): Promise<{ readonly state: string; readonly why: string }>;
}

/** Enough to tell a wrong baud rate or parity by. */
const RECENT_BYTES = 256;
/** Numbers of events that are known again. */
const SOURCES_MAX = 10_000;

export function openSession({ config, onReadings, onEvent, tap }: SessionOptions): Session {
  let isUp = false;
  let recent: Buffer = Buffer.alloc(0);
  let settleOpening: (reason: string | undefined) => void = () => undefined;
  const opener = tappedOpener(lineOpener(systemClock), {
    opened: () => tap?.opened(),
    lost: (why) => tap?.lost(why),
    bytes: (chunk) => {
      recent = Buffer.concat([recent, chunk]).subarray(-RECENT_BYTES);
      tap?.bytes(chunk);
    },
  });
  const log = createLog({
    level: 'warn',
    journal: false,
    // That the line does not open is told once, as the end of it.
    write: (line) => void (isUp && process.stderr.write(line)),
  });
  const ports = { clock: systemClock, cron: systemCron, chance: systemChance, log, parseJson };
  const createLine = lineFactory({ ...ports, opener });
  const sensor = new Sensor({
    ...ports,
    config: withoutAnswers(config),
    createLine,
    // Nothing is billed here: whoever looks does not wait for answers to an agent that was stopped.
    busOf: modbusBuses({ ...ports, createLine, owed: owedAnswers(Number.NEGATIVE_INFINITY) }),
    createSamples: samplesTo(onReadings),
    events: sinkTo(onEvent),
    memory: memoryOf(),
    onState: () => {
      const { state, why } = sensor.state();
      settleOpening(state === 'absent' ? why : undefined);
    },
  });
  return {
    get counters() {
      return sensor.counters;
    },
    start: () =>
      new Promise((resolve, reject) => {
        settleOpening = (reason) => {
          settleOpening = () => undefined;
          if (reason !== undefined) return reject(new Fault('line.open', `${config.id}: ${openText(reason)}`));
          isUp = true;
          resolve();
        };
        sensor.start();
      }),
    stop: async () => {
      const { state, why } = sensor.state();
      await sensor.stop();
      const hint = state === 'ok' ? undefined : lineHint(recent, config.port, config.decode.type);
      return { state, why: hint === undefined || why.includes(hint) ? why : `${why}: ${hint}` };
    },
  };
}

/** An answer tells the device that its record is safe with us; here it is not. */
function withoutAnswers(config: SensorConfig): SensorConfig {
  return { ...config, routes: config.routes.map((route) => ({ ...route, answer: undefined })) };
}

function openText(reason: string): string {
  return /\(lock\)/.test(reason) ? `${reason}; is the agent running? Its line can not be read beside it` : reason;
}

function samplesTo(onReadings: SessionOptions['onReadings']): CreateSamples {
  return () => {
    const counters = { published: 0, dropped: 0 };
    return {
      counters,
      take: (_, readings) => {
        counters.published += readings.length;
        onReadings(readings);
      },
      stop: () => undefined,
      pause: () => undefined,
    };
  };
}

/** As the ledger would: a number that was there before is no second event. */
function sinkTo(onEvent: SessionOptions['onEvent']): EventSink {
  const sources = new Set<string>();
  const append = (draft: EventDraft): AppendResult => {
    const { source } = draft;
    if (source !== undefined) {
      const key = `${source.epoch}/${source.seq}`;
      if (sources.has(key)) return { kind: 'repeat' };
      if (sources.size < SOURCES_MAX) sources.add(key);
    }
    onEvent(draft);
    return { kind: 'accepted', seq: 0 };
  };
  return { append: (draft) => Promise.resolve(append(draft)) };
}

function memoryOf() {
  const memories = new Map<string, EventMemory | undefined>();
  return {
    of: (route: string) => memories.get(route),
    set: (route: string, memory: EventMemory | undefined) => void memories.set(route, memory),
  };
}

/** `/dev/ttyUSB0`, `192.0.2.10:4001` */
export function portText(port: PortSpec): string {
  return port.kind === 'tty' ? port.path : `${port.host}:${port.port}`;
}
