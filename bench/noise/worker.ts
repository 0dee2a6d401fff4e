/**
 * One framing under one noise, in a process of its own: the product's line on an opener that gives it the noise in chunks,
 * a turn of the event loop for each, and then good frames.
 */
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';
import { systemChance } from '../../src/platform/chance.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { LineListener } from '../../src/ports-line.ts';
import { lineFactory } from '../../src/serial/line.ts';
import { rssMib, startFigures } from '../rig/own-figures.ts';
import { complaining } from '../rig/product.ts';
import { FRAMING_ROWS, type Noise, noiseSource } from './rows.ts';

export interface NoiseInput {
  readonly row: number;
  readonly noise: Noise;
  readonly bytes: number;
}

export interface NoiseFigures {
  /** Most that was resident while the first half of the noise came, above a line that had read good frames. */
  readonly aboveGoodMib: number;
  /** Most while the second half came, above that: memory that noise takes for good would show here. */
  readonly grownMib: number;
  readonly delayP99Ms: number;
  readonly mbPerSecond: number;
  /** Processor time for a MB, milliseconds. */
  readonly cpuMsPerMb: number;
  /** Frames that the noise held and that passed their check. */
  readonly chanceFrames: number;
  /** Bytes of good frames that went by before the first one was found; undefined: none was. */
  readonly lostBytes?: number | undefined;
}

const CHUNK_BYTES = 4096;
const SAMPLE_EVERY = 64;
/** Good frames before the noise: compiled code and a young heap are not what noise takes. */
const GOOD_BYTES = 4 << 20;
/** A multiple of `silence` in rows.ts. */
const SILENCE_MS = 60;

const input = JSON.parse(process.argv[2] ?? '') as NoiseInput;
const row = FRAMING_ROWS[input.row];
if (row === undefined) throw new Error(`no row ${input.row}`);
const { framing, check, good, hostile } = row;

let listener: LineListener | undefined;
const found: Buffer[] = [];
let keeps = false;
const line = lineFactory({
  opener: {
    open: (_, heard) => {
      listener = heard;
      return Promise.resolve({
        write: () => Promise.resolve(),
        setBaudRate: () => Promise.resolve(),
        close: () => Promise.resolve(),
      });
    },
  },
  clock: systemClock,
  chance: systemChance,
  log: complaining,
})({
  sensor: 'noise',
  port: { kind: 'tty', path: 'noise', baudRate: 115_200, dataBits: 8, parity: 'none', stopBits: 1 },
  framing,
  check,
  dropsTorn: false,
  events: {
    up: () => undefined,
    down: () => undefined,
    frame: (_, bytes) => {
      if (keeps) found.push(bytes);
    },
    discarded: () => undefined,
  },
});

// One chunk, again and again: a framer keeps none, and chunks that wait to be collected would hide what it takes.
const chunk = Buffer.alloc(CHUNK_BYTES);
const noise = noiseSource(input.noise, hostile);

/** Resolves with the most that was resident meanwhile, MiB. */
async function feed(bytes: number, next: (into: Buffer) => Buffer): Promise<number> {
  let peak = 0;
  for (let sent = 0, chunks = 1; sent < bytes; sent += CHUNK_BYTES, chunks += 1) {
    listener?.bytes(next(chunk));
    await turn();
    if (chunks % SAMPLE_EVERY === 0) peak = Math.max(peak, rssMib('self'));
  }
  return Math.max(peak, rssMib('self'));
}

/** Sends good frames until one is found, at most two `max` and three frames more. Resolves with the bytes before that one. */
async function feedGood(): Promise<number | undefined> {
  const max = framing.type === 'fixed' ? framing.length : framing.max;
  keeps = true;
  for (let sent = 0; sent < 2 * max + 3 * good.length; sent += good.length) {
    listener?.bytes(Buffer.from(good));
    await (framing.type === 'gap' ? pause(SILENCE_MS) : turn());
    if (found.some((frame) => good.includes(frame))) return sent;
  }
  return undefined;
}

line.start();
await turn();
const goodMib = await feed(GOOD_BYTES, (into) => into.fill(good));
const framesBefore = line.counters.frames;
const figures = startFigures();
const firstMib = await feed(input.bytes / 2, noise);
const secondMib = await feed(input.bytes / 2, noise);
const { seconds, cpuUs, delayP99Ms } = figures();
if (framing.type === 'gap') await pause(SILENCE_MS);
const chanceFrames = line.counters.frames - framesBefore;
const lostBytes = await feedGood();
await line.stop();
const mb = input.bytes / 1e6;
const result: NoiseFigures = {
  aboveGoodMib: Math.max(0, firstMib - goodMib),
  grownMib: Math.max(0, secondMib - firstMib),
  delayP99Ms,
  mbPerSecond: mb / seconds,
  cpuMsPerMb: cpuUs / 1000 / mb,
  chanceFrames,
  lostBytes,
};
process.stdout.write(`${JSON.stringify(result)}\n`);
