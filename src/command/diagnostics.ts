/**
 * `diagnostics.collect`: what somebody who is to help would ask for one by one, in one compressed document: the answers of the
 * reading commands, the configuration without secrets, the sensors' counters, the newest log lines, and what was commanded.
 * A part that fails or hangs is told in its place. The document is bounded: what is least needed is left out first.
 */
import * as v from 'valibot';
import { reasonOf } from '../fault.ts';
import type { Clock, Timer } from '../ports.ts';
import { listOf, text } from './answers.ts';
import { chunkedEntries, sendChunks } from './chunks.ts';
import { type Command, CommandFailure, defineCommand, type Document, type RunContext } from './command.ts';

/** Reading commands whose answers are in it. */
const ASKED = [
  'info.get',
  'status.get',
  'metrics.get',
  'certificate.status',
  'doctor.run',
  'events.stat',
  'events.dead',
  'schedule.list',
] as const;
/** The doctor waits for brokers. */
const PART_MS = 45_000;
/** Of the compressed document. Four minutes at 4 kB/s, with base64. */
const BYTES_MAX = 1024 * 1024;
/** In this order, until the rest fits. */
const LEFT_OUT_FIRST = ['log', 'commands', 'events.dead', 'doctor.run', 'sensors', 'config'];

export interface DiagnosticsSources {
  readonly clock: Clock;
  readonly device: string;
  /** Every command that there is. */
  readonly commands: () => readonly Command[];
  /** Parts that no command answers with, by name. */
  readonly parts: Readonly<Record<string, () => unknown>>;
  readonly compress: (bytes: Buffer) => Promise<Buffer>;
}

export function diagnosticsCommand(sources: DiagnosticsSources): Command {
  let isRunning = false;
  return defineCommand({
    name: 'diagnostics.collect',
    changes: false,
    summary: 'Collects what is needed to help this device from afar into one compressed document, without secrets.',
    args: v.strictObject({}),
    result: v.strictObject({
      ...chunkedEntries,
      content_type: text('`application/gzip`: compressed JSON.'),
      parts: listOf('Names of its parts.', v.string()),
      left_out: listOf('Parts that would have made it too large.', v.string()),
    }),
    errors: {
      'diagnostics.busy': 'A collection is under way.',
      'diagnostics.too-large': 'Even without its larger parts it would be larger than 1 MiB.',
    },
    run: async (_args, context) => {
      if (isRunning) throw new CommandFailure('diagnostics.busy', 'a collection is under way', 'rejected');
      isRunning = true;
      try {
        return await collect(sources, context);
      } finally {
        isRunning = false;
      }
    },
  });
}

async function collect(sources: DiagnosticsSources, context: RunContext): Promise<unknown> {
  const { clock, device, compress } = sources;
  const parts = await partsOf(sources, context);
  const at = new Date(clock.wallMs()).toISOString();
  for (let left = 0; left <= LEFT_OUT_FIRST.length; left += 1) {
    const leftOut = LEFT_OUT_FIRST.slice(0, left);
    const kept = Object.fromEntries([...parts].filter(([name]) => !leftOut.includes(name)));
    const whole = { v: 1, what: 'fieldpost diagnostics', device, at, parts: kept, left_out: leftOut };
    const bytes = await compress(Buffer.from(JSON.stringify(whole), 'utf8'));
    if (bytes.length > BYTES_MAX) continue;
    const sent = await sendChunks(context, 'application/gzip', bytes);
    return { ...sent, parts: Object.keys(kept), left_out: leftOut };
  }
  throw new CommandFailure('diagnostics.too-large', `more than ${BYTES_MAX} bytes, compressed`);
}

/** One after the other: a small device has better things to do. */
async function partsOf(sources: DiagnosticsSources, context: RunContext): Promise<ReadonlyMap<string, unknown>> {
  const commands = new Map(sources.commands().map((command) => [command.name, command]));
  // What a command asked here has to tell is not told to whoever asked for the whole.
  const silent = { ...context, progress: () => Promise.resolve(), afterAnswer: () => undefined };
  const looks = new Map<string, () => unknown>([
    ...ASKED.map((name) => [name, () => commands.get(name)?.run({}, silent)] as const),
    ...Object.entries(sources.parts),
  ]);
  const parts = new Map<string, unknown>();
  for (const [name, look] of looks) parts.set(name, await inTime(sources.clock, look));
  return parts;
}

async function inTime(clock: Clock, look: () => unknown): Promise<unknown> {
  let timer: Timer | undefined;
  const late = new Promise<Document>((resolve) => {
    timer = clock.after(PART_MS, () => resolve({ why: `took longer than ${PART_MS / 1000} s` }));
  });
  try {
    return await Promise.race([(async () => look())(), late]);
  } catch (error) {
    return { why: reasonOf(error) };
  } finally {
    timer?.cancel();
  }
}
