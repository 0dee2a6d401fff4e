/** A command desk on a real state directory; the test sees what it answers, and may start another one on the same files. */
import type { TestContext } from 'node:test';
import * as v from 'valibot';
import { topicsOf } from '../../src/broker/topics.ts';
import { defineCommand } from '../../src/command/command.ts';
import { CommandDesk, type DeskOptions } from '../../src/command/desk.ts';
import { eventsCommands, type EventsDesk } from '../../src/command/events.ts';
import { pingCommand } from '../../src/command/ping.ts';
import { statusGetCommand } from '../../src/command/status-get.ts';
import { systemChance } from '../../src/platform/chance.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { stateStore } from '../../src/platform/state-store.ts';
import type { Clock, ClockQuality, EventDraft, StateStore } from '../../src/ports.ts';
import type { InboundMessage } from '../../src/ports-broker.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';
import { HandClock } from '../sensor-rig.ts';
import { NO_LOG } from '../state/count.ts';

export const DEADLINE_MS = 5000;
export const ROOT = 'fp/v1/pump-42';

const EVENTS: EventsDesk = {
  stat: () => ({ epochs: [] }),
  replay: (epoch, from, to) => (epoch === 'GONE' ? undefined : { epoch: epoch ?? 'E', events: to - from + 1 }),
  dead: () => ({ dead: [], more: 0 }),
  retry: (_epoch, seq) => ({ events: seq ?? 5 }),
  abandon: (_epoch, seq) => seq === 7,
};

export interface Answer {
  readonly topic: string;
  readonly document: Readonly<Record<string, unknown>>;
  readonly correlation: string | undefined;
}

export type More = Partial<Pick<InboundMessage, 'retained' | 'responseTopic' | 'correlationData' | 'expirySeconds'>>;

export interface DeskRig {
  readonly desk: CommandDesk;
  /** Without those that say `accepted`. */
  readonly answers: readonly Answer[];
  /** Of the changing commands, `<command>/<id>`: on disk, and told so. */
  readonly accepted: readonly string[];
  /** How often `add` ran. */
  readonly runs: () => number;
  /** Where its state lies. */
  readonly directory: string;
  readonly audits: readonly EventDraft[];
  readonly send: (topic: string, payload: string | Buffer, more?: More) => void;
  /** Sends a request and waits for the next answer. */
  readonly ask: (topic: string, payload: string | Buffer, more?: More) => Promise<Answer>;
}

export interface DeskRigOptions extends Partial<DeskOptions> {
  readonly directory?: string;
}

export async function deskRig(t: TestContext, options: DeskRigOptions = {}): Promise<DeskRig> {
  const { directory = await temporaryDirectory(t), ...others } = options;
  const answers: Answer[] = [];
  const accepted: string[] = [];
  const audits: EventDraft[] = [];
  let runs = 0;
  const clock: Clock = others.clock ?? { ...systemClock, wallMs: () => Date.UTC(2026, 10, 24), quality: () => 'set' };
  const add = defineCommand({
    name: 'add',
    changes: true,
    summary: 'Adds.',
    args: v.strictObject({ a: v.number(), b: v.number() }),
    result: v.strictObject({ sum: v.number() }),
    run: ({ a, b }) => {
      runs += 1;
      if (a > 100) throw new Error('too much');
      return { sum: a + b };
    },
  });
  const desk = new CommandDesk({
    topics: topicsOf('fp/v1', 'pump-42'),
    clock,
    chance: systemChance,
    log: NO_LOG,
    state: stateStore(directory, NO_LOG),
    auditSink: {
      append: (draft) => {
        audits.push(draft);
        return Promise.resolve({ kind: 'accepted', seq: audits.length });
      },
    },
    policy: { add: 'on', slow: 'on' },
    device: 'pump-42',
    signatures: undefined,
    session: () => 'session-1',
    commands: [
      pingCommand(clock, { id: 'boot-1', uptimeMs: () => 5 }),
      statusGetCommand(() => ({ v: 1, state: 'online' })),
      ...eventsCommands(EVENTS),
      add,
    ],
    respond: ({ topic, payload, correlationData }) => {
      const document = JSON.parse(payload.toString()) as Answer['document'];
      if (document['status'] === 'accepted') accepted.push(topic.split('/').slice(-2).join('/'));
      else answers.push({ topic, document, correlation: correlationData?.toString() });
      return Promise.resolve();
    },
    ...others,
  });
  await desk.open();
  const send: DeskRig['send'] = (topic, payload, more = {}) =>
    desk.take({ topic: `${ROOT}/down/command/${topic}`, payload: Buffer.from(payload), retained: false, ...more });
  return {
    desk,
    answers,
    accepted,
    runs: () => runs,
    directory,
    audits,
    send,
    ask: async (topic, payload, more) => {
      const before = answers.length;
      send(topic, payload, more);
      return until(() => answers[before], `an answer to ${topic}`, DEADLINE_MS);
    },
  };
}

/** A changing command that ends when the test says so. */
export function slowCommand() {
  const ends: (() => void)[] = [];
  const command = defineCommand({
    name: 'slow',
    changes: true,
    summary: 'Waits.',
    args: v.strictObject({ secret: v.optional(v.string()) }),
    result: v.strictObject({ run: v.number() }),
    run: () =>
      new Promise<{ run: number }>((resolve) => {
        const run = ends.length + 1;
        ends.push(() => resolve({ run }));
      }),
  });
  return { command, runs: () => ends.length, end: (at = 0) => ends[at]?.() };
}

/** `applied`: what failed is on disk all the same. */
export type FinishWrite = (error?: Error, applied?: boolean) => void;

/**
 * A state whose writes the test finishes, in order; with an error they fail. Like the real one's, a document in memory is
 * new as soon as it is written, and a write brings to disk what is newest when its turn comes.
 */
export function heldState(
  onWrite: (finish: FinishWrite) => void,
  disk: { text: string | undefined } = { text: undefined },
): StateStore {
  return {
    open: (_name, parse, initial) => {
      let value = (disk.text === undefined ? undefined : parse(JSON.parse(disk.text))) ?? initial;
      let last: Promise<void> = Promise.resolve();
      const put = (): Promise<void> =>
        new Promise((resolve, reject) => {
          onWrite((error, applied = error === undefined) => {
            if (applied) disk.text = JSON.stringify(value);
            if (error === undefined) resolve();
            else reject(error);
          });
        });
      return Promise.resolve({
        get value() {
          return value;
        },
        write: (next) => {
          value = next;
          const written = last.then(put);
          last = written.catch(() => undefined);
          return written;
        },
      });
    },
  };
}

/** A clock in the test's hand, of a quality that the test says. */
export function handClock(quality: ClockQuality): { readonly hand: HandClock; readonly clock: Clock } {
  const hand = new HandClock();
  const clock: Clock = {
    wallMs: () => hand.wallMs(),
    monotonicMs: () => hand.monotonicMs(),
    quality: () => quality,
    after: (ms, run) => hand.after(ms, run),
    soon: (run) => hand.soon(run),
  };
  return { hand, clock };
}

export function codeOf({ document }: Answer): unknown {
  return (document['error'] as { readonly code: string } | undefined)?.code;
}
