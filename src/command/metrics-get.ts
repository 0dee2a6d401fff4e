/**
 * `metrics.get`: the machine's figures and the process's own, read now. Reading starts small programs, so whoever asks while
 * one reading runs gets the same, and a reading that hangs (a dead network file system) is not begun a second time.
 */
import * as v from 'valibot';
import { reasonOf } from '../fault.ts';
import { type Clock, HOST_METRICS, type HostMetrics, type HostReading, type ProcessFigures } from '../ports.ts';
import { count, listOf, text } from './answers.ts';
import { type Command, defineCommand } from './command.ts';

/** An answer comes within this time, with what is known by then, milliseconds. */
const PATIENCE_MS = 5000;

export interface MetricsSources {
  readonly clock: Clock;
  readonly host: HostMetrics;
  readonly processFigures: () => Promise<ProcessFigures>;
}

export function metricsGetCommand({ clock, host, processFigures }: MetricsSources): Command {
  const readHost = shared(() => host.read(HOST_METRICS));
  const readProcess = shared(processFigures);
  return defineCommand({
    name: 'metrics.get',
    changes: false,
    summary: "Answers with the machine's figures and the process's own, as they are now.",
    args: v.strictObject({}),
    result: v.strictObject({
      host: listOf(
        'The machine: rows of name, value and unit, as in telemetry of the sensor `host`.',
        v.tuple([v.string(), v.number(), v.nullable(v.string())]),
      ),
      host_why: v.optional(text('Why the machine could not be read.')),
      process: v.pipe(
        v.partial(
          v.strictObject({
            resident_bytes: count('Memory of the process, bytes.'),
            heap_bytes: count('Of it JavaScript objects, bytes.'),
            uptime_ms: count('Milliseconds since the process started.'),
            loop_delay_mean_ms: count('How late timers were while it was measured, on average, milliseconds.'),
            loop_delay_max_ms: count('At most, milliseconds.'),
          }),
        ),
        v.description('The agent itself.'),
      ),
      process_why: v.optional(text('Why the process could not be read.')),
    }),
    run: async () => {
      const [machine, own] = await Promise.all([within(clock, readHost()), within(clock, readProcess())]);
      return {
        ...(machine.kind === 'known' ? { host: machine.value.map(rowOf) } : { host: [], host_why: machine.why }),
        ...(own.kind === 'known' ? { process: documentOf(own.value) } : { process: {}, process_why: own.why }),
      };
    },
  });
}

/** As in telemetry: name, value, unit. */
function rowOf({ name, value, unit }: HostReading): readonly [string, number, string | null] {
  return [name, value, unit ?? null];
}

function documentOf(figures: ProcessFigures): Readonly<Record<string, number>> {
  return {
    resident_bytes: figures.residentBytes,
    heap_bytes: figures.heapBytes,
    uptime_ms: figures.uptimeMs,
    loop_delay_mean_ms: figures.loopDelayMeanMs,
    loop_delay_max_ms: figures.loopDelayMaxMs,
  };
}

/** One at a time: while one runs, everybody gets that one. */
function shared<Value>(read: () => Promise<Value>): () => Promise<Value> {
  let running: Promise<Value> | undefined;
  return () => {
    running ??= read().finally(() => {
      running = undefined;
    });
    return running;
  };
}

type Known<Value> =
  | { readonly kind: 'known'; readonly value: Value }
  | { readonly kind: 'unknown'; readonly why: string };

/** Never rejects. */
function within<Value>(clock: Clock, wanted: Promise<Value>): Promise<Known<Value>> {
  return new Promise((resolve) => {
    const late = clock.after(PATIENCE_MS, () => resolve({ kind: 'unknown', why: `not read within ${PATIENCE_MS} ms` }));
    wanted.then(
      (value) => {
        late.cancel();
        resolve({ kind: 'known', value });
      },
      (error: unknown) => {
        late.cancel();
        resolve({ kind: 'unknown', why: reasonOf(error) });
      },
    );
  });
}
