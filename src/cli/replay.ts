/**
 * `fieldpost replay`: the bytes of a capture once more, through a pseudo-terminal at their times, as if the device were
 * there, or straight through framer and decoder.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Fault } from '../fault.ts';
import type { CaptureRecord } from '../serial/capture.ts';
import { readCapture } from './capture-file.ts';
import { decodedText } from './decoded-text.ts';
import { EXIT } from './exit.ts';
import { FramePipe } from './frame-pipe.ts';
import { durationOption, numberOption } from './option-values.ts';
import { print } from './print.ts';
import { startRunTime } from './run-time.ts';
import { CHOICE_OPTIONS, chosenSensor } from './sensor-choice.ts';

const OPTIONS = {
  ...CHOICE_OPTIONS,
  pty: { type: 'boolean', default: false },
  link: { type: 'string' },
  decode: { type: 'boolean', default: false },
  frames: { type: 'boolean', default: false },
  speed: { type: 'string' },
  wait: { type: 'string', default: '30s' },
} as const;

const SPEED = { low: 0.001, high: 1_000_000 };
const WAIT_MS = { low: 0, high: 86_400_000 };
const LOOK_MS = 100;
/** A program that opens a line throws away what is on it already (tcflush): it is given the time for that. */
const SETTLE_MS = 300;

export async function replayCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS });
  const [file, more] = positionals;
  if (file === undefined || more !== undefined) throw new Fault('usage', 'one capture file must be named');
  const { pty, link, decode, speed, wait, frames } = values;
  if (decode) {
    if (pty || link !== undefined) throw new Fault('usage', 'either --pty [--link PATH], or --decode');
    return replayDecoded(file, new FramePipe(chosenSensor(values)), speedOf(speed ?? 'max'), frames);
  }
  if ([values.profile, values.config, values.sensor].some((each) => each !== undefined) || frames) {
    throw new Fault('usage', '--profile, --config, --sensor and --frames go with --decode');
  }
  return replayOnTerminal(file, link, speedOf(speed ?? '1'), durationOption('--wait', wait, WAIT_MS));
}

/** Infinity: as fast as it goes. */
function speedOf(text: string): number {
  return text === 'max' ? Number.POSITIVE_INFINITY : numberOption('--speed', text, SPEED);
}

async function replayDecoded(file: string, pipe: FramePipe, speed: number, frames: boolean): Promise<number> {
  const time = startRunTime(undefined);
  for await (const record of paced(readCapture(file), speed, time.stop)) {
    const decoded = record.kind === 'bytes' ? pipe.push(record.bytes, record.atMs) : pipe.open(record.atMs);
    await print(decodedText(decoded, frames));
  }
  time.end();
  await print(decodedText(pipe.end(), frames));
  process.stderr.write(`${pipe.summary}\n`);
  return pipe.isFruitless ? EXIT.failed : EXIT.done;
}

async function replayOnTerminal(
  file: string,
  link: string | undefined,
  speed: number,
  waitMs: number,
): Promise<number> {
  await judgeFile(file);
  const { openTerminalLine } = await import('../workbench/index.ts');
  const line = await openTerminalLine(link);
  const time = startRunTime(undefined);
  try {
    await print(`${line.where}\n`);
    const seen = await look(() => line.hasReader(), waitMs, time.stop);
    if (!seen && !time.stop.aborted) throw new Fault('line.open', unreadText(line.where, waitMs));
    await rest(SETTLE_MS, time.stop);
    let bytes = 0;
    for await (const record of paced(readCapture(file), speed, time.stop)) {
      if (record.kind !== 'bytes') continue;
      await line.send(record.bytes);
      bytes += record.bytes.length;
    }
    process.stderr.write(`${bytes} bytes sent\n`);
    // What the reader has not taken yet would go with the terminal.
    await look(async () => !(await line.hasReader()), Number.POSITIVE_INFINITY, time.stop);
  } finally {
    time.end();
    await line.close();
  }
  return EXIT.done;
}

function unreadText(where: string, waitMs: number): string {
  const unseen = process.geteuid?.() === 0 ? '' : ", as far as this user can see (root's programs: as root)";
  return `nobody opened ${where} within ${waitMs / 1000} s${unseen}; nothing was sent`;
}

/** The whole file, before anybody is made to wait for it. */
async function judgeFile(file: string): Promise<void> {
  for await (const record of readCapture(file)) void record;
}

/** The records at their times, from the first one on; ends early when it is told to. */
async function* paced(
  records: AsyncIterable<CaptureRecord>,
  speed: number,
  stop: AbortSignal,
): AsyncGenerator<CaptureRecord> {
  const startedMs = performance.now();
  let firstMs: number | undefined;
  for await (const record of records) {
    firstMs ??= record.atMs;
    const dueMs = startedMs + (record.atMs - firstMs) / speed;
    await rest(dueMs - performance.now(), stop);
    if (stop.aborted) return;
    yield record;
  }
}

/** Until it is so: true; until the time has passed or the run is over: false. */
async function look(isSo: () => Promise<boolean>, forMs: number, stop: AbortSignal): Promise<boolean> {
  const endMs = performance.now() + forMs;
  while (!stop.aborted) {
    if (await isSo()) return true;
    if (performance.now() >= endMs) return false;
    await rest(Math.min(LOOK_MS, endMs - performance.now()), stop);
  }
  return false;
}

/** Less than a millisecond is no time. A longer wait than a timer can count is taken in parts. */
async function rest(ms: number, stop: AbortSignal): Promise<void> {
  const endMs = performance.now() + ms;
  for (let left = ms; left >= 1 && !stop.aborted; left = endMs - performance.now()) {
    await pause(Math.min(left, 86_400_000), undefined, { signal: stop }).catch(() => undefined);
  }
}
