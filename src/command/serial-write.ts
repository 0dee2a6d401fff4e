/**
 * `serial.write`: writes what the configuration allows to be written to a device, and nothing else. It waits for a request
 * that is under way on the line and keeps the next one waiting, so that no answer is taken for another's.
 */
import * as v from 'valibot';
import type { Clock, Timer } from '../ports.ts';
import { count, text } from './answers.ts';
import { sensorId } from './args.ts';
import { type Command, CommandFailure, defineCommand } from './command.ts';
import { find, SENSOR_ERRORS } from './sensors.ts';

/** What is kept of what comes while an answer is waited for. */
const HELD_BYTES_MAX = 4096;

export interface WritableSensor {
  readonly id: string;
  /** Names of its templates. */
  readonly templates: readonly string[];
  /** The bytes of a template with its values; a text says what is wrong with them. */
  render(template: string, values: Readonly<Record<string, unknown>>): PreparedWrite | string;
  /**
   * Writes while nothing else is asked. `listen` is called just before, and nothing else is written until it settles. Rejects
   * with a Fault where the line is not open or a request on it does not end.
   */
  exchange<Result>(bytes: Buffer, listen: () => Promise<Result>): Promise<Result>;
}

export interface PreparedWrite {
  readonly bytes: Buffer;
  readonly expect: Buffer | undefined;
  /** For `expect`, milliseconds. */
  readonly timeout: number;
}

export interface WriteSources {
  readonly clock: Clock;
  readonly sensors: readonly WritableSensor[];
  readonly tap: (sensor: string, take: (chunk: Buffer) => void) => Timer;
}

export function serialWriteCommand({ clock, sensors, tap }: WriteSources): Command {
  const running = new Set<string>();
  return defineCommand({
    name: 'serial.write',
    changes: true,
    dangerous: true,
    summary: 'Writes one of the templates of `writes` to a sensor, between its requests.',
    args: v.strictObject({
      sensor: sensorId,
      template: v.pipe(v.string(), v.description('Name of the template in device.json.')),
      values: v.optional(
        v.pipe(
          v.record(v.string(), v.union([v.string(), v.number()])),
          v.description('Values of the names in {braces}, texts or numbers.'),
        ),
        {},
      ),
    }),
    result: v.strictObject({
      sensor: text('Its id.'),
      template: text('The template.'),
      written: count('How many bytes were written.'),
      answer: v.optional(text('Where an answer is expected: what came, through its end, base64.')),
    }),
    errors: {
      ...SENSOR_ERRORS,
      'serial.template': 'The sensor has no such template; the message names those it has.',
      'serial.values': 'A value is missing, unknown, or out of its bounds; nothing was written.',
      'serial.no-answer': 'It was written, and the expected answer did not come in its time.',
      'sensor.busy': 'Another command writes to this sensor.',
      'line.closed': 'The line is not open, or was lost.',
      'line.silent': 'A request on the line did not end in ten seconds; nothing was written.',
    },
    run: async ({ sensor: id, template, values }) => {
      const sensor = find(sensors, id);
      if (!sensor.templates.includes(template)) {
        const known = sensor.templates.length === 0 ? 'it has none' : `there are ${sensor.templates.join(', ')}`;
        throw new CommandFailure('serial.template', `${id} has no such template; ${known}`, 'rejected');
      }
      const prepared = sensor.render(template, values);
      if (typeof prepared === 'string') throw new CommandFailure('serial.values', prepared, 'rejected');
      if (running.has(id)) throw new CommandFailure('sensor.busy', `another command writes to ${id}`, 'rejected');
      running.add(id);
      try {
        const { bytes, expect, timeout } = prepared;
        const listen = (): Promise<Buffer | undefined> =>
          expect === undefined ? Promise.resolve(undefined) : answerOf(clock, (take) => tap(id, take), expect, timeout);
        const answer = await sensor.exchange(bytes, listen);
        const facts = { sensor: id, template, written: bytes.length };
        return answer === undefined ? facts : { ...facts, answer: answer.toString('base64') };
      } finally {
        running.delete(id);
      }
    },
  });
}

/** Seen beside the decoding, which gets the same bytes: a device may say something else meanwhile. */
function answerOf(
  clock: Clock,
  tap: (take: (chunk: Buffer) => void) => Timer,
  expect: Buffer,
  timeoutMs: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let held: Buffer = Buffer.alloc(0);
    const timer = clock.after(timeoutMs, () => {
      listening.cancel();
      reject(new CommandFailure('serial.no-answer', `written, and the answer did not come within ${timeoutMs} ms`));
    });
    const listening = tap((chunk) => {
      held = Buffer.concat([held, chunk]).subarray(-HELD_BYTES_MAX);
      const at = held.indexOf(expect);
      if (at === -1) return;
      timer.cancel();
      listening.cancel();
      resolve(held.subarray(0, at + expect.length));
    });
  });
}
