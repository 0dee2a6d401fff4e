/** The readers of the serial benchmark, and one run of one of them before a pty that is fed at a pace or at full speed. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openPty, type Pty } from '../../src/platform/pty.ts';
import { Child, endText } from '../../src/workbench/child.ts';
import type { Undo } from '../../src/workbench/undo.ts';
import { until } from '../../src/workbench/wait.ts';
import { type Flags, readUnit } from '../rig/unit.ts';
import { PLAIN } from '../rig/worker.ts';
import { expectedSum, LINE_BYTES, linesText, type ReaderFigures, type ReaderInput } from './load.ts';

const READY_MS = 20_000;
const DEADLINE_MS = 120_000;
/** 115200 Bd, 8N1: 11.5 kB/s, which an adapter hands on every few milliseconds. */
const PIECE_BYTES = 46;
const PIECE_MS = 4;
/** At full speed. */
const BLOCK_BYTES = 65_536;
/** Debian's python3-serial belongs to Debian's Python. */
const PYTHON = '/usr/bin/python3';

export type Pace = 'steady' | 'full';

export interface Reader {
  readonly name: string;
  readonly command: (input: ReaderInput) => readonly [string, ...string[]];
}

export interface Readers {
  readonly readers: readonly Reader[];
  /** Why others are left out. */
  readonly without: readonly string[];
}

/** Needs gcc for the row `C` and python3-serial for the row `pyserial`; what is missing is left out. */
export function makeReaders(directory: string): Readers {
  const readers: Reader[] = [
    { name: 'fieldpost', command: nodeCommand('fieldpost-reader.ts', readUnit()) },
    { name: 'serialport, ReadlineParser', command: nodeCommand('stock-reader.ts', PLAIN) },
  ];
  const without: string[] = [];
  const python = spawnSync(PYTHON, ['-c', 'import serial'], { encoding: 'utf8' });
  if (python.status === 0) {
    const file = join(import.meta.dirname, 'pyserial_reader.py');
    readers.push({ name: 'pyserial, bulk reads', command: (input) => [PYTHON, file, JSON.stringify(input)] });
  } else {
    without.push(`pyserial: ${python.error?.message ?? python.stderr.trim().split('\n').at(-1) ?? ''}`);
  }
  const binary = join(directory, 'reader');
  const gcc = spawnSync('gcc', ['-O2', '-o', binary, join(import.meta.dirname, 'reader.c')], { encoding: 'utf8' });
  if (gcc.status === 0) {
    const command: Reader['command'] = ({ path, warmUp, lines }) => [binary, path, String(warmUp), String(lines)];
    readers.push({ name: 'C, poll and read', command });
  } else {
    without.push(`C: gcc: ${gcc.error?.message ?? gcc.stderr.split('\n')[0] ?? ''}`);
  }
  return { readers, without };
}

/** Not bundled as the other benchmarks' workers are: the native binding is looked for beside its package. */
function nodeCommand(name: string, { environment, flags }: Flags): Reader['command'] {
  const node = [process.execPath, ...flags, '--import', import.meta.resolve('tsx'), join(import.meta.dirname, name)];
  return (input) => ['env', ...environment, ...node, JSON.stringify(input)];
}

/** Rejects when a line did not come, or came wrong. */
export async function runReader(
  reader: Reader,
  work: Pick<ReaderInput, 'warmUp' | 'lines'>,
  pace: Pace,
  undo: Undo,
): Promise<ReaderFigures> {
  const pty = await openPty();
  const [command, ...args] = reader.command({ path: pty.path, ...work });
  const child = new Child({ command, args });
  undo.add(() => child.kill9());
  try {
    await until(() => child.outLines.includes('ready') || child.ended, `${reader.name} to be ready`, READY_MS);
    const late = setTimeout(() => child.signal('SIGKILL'), DEADLINE_MS);
    const feed = new Feed();
    if (pace === 'full') await feedFully(pty, child, feed);
    else await feedSteadily(pty, child, feed, work.warmUp * LINE_BYTES);
    const ended = await child.exited;
    clearTimeout(late);
    if (ended.code !== 0) throw new Error(`${reader.name}: ended with ${endText(ended)}; last: ${child.lastWords()}`);
  } finally {
    await child.kill9();
    await pty.close();
  }
  const figures = JSON.parse(child.outLines.at(-1) ?? '') as ReaderFigures;
  if (figures.sum !== expectedSum(work)) throw new Error(`${reader.name}: lines were lost or came wrong`);
  return figures;
}

/** The load, over and over. */
class Feed {
  readonly #text = Buffer.from(linesText());
  #at = 0;

  take(bytesMax: number): Buffer {
    const piece = this.#text.subarray(this.#at, this.#at + bytesMax);
    this.#at = (this.#at + piece.length) % this.#text.length;
    return piece;
  }
}

/** The pty waits for its reader, so this never runs ahead by more than its buffers. */
async function feedFully(pty: Pty, child: Child, feed: Feed): Promise<void> {
  while (child.ended === undefined) await Promise.race([pty.write(feed.take(BLOCK_BYTES)), child.exited]);
}

/** The first `hurried` bytes in pieces of the same size at four times the pace. */
async function feedSteadily(pty: Pty, child: Child, feed: Feed, hurried: number): Promise<void> {
  let sent = 0;
  for (const [pieceMs, end] of [
    [PIECE_MS / 4, hurried],
    [PIECE_MS, Number.POSITIVE_INFINITY],
  ] as const) {
    const [startedMs, from] = [performance.now(), sent];
    const bytesPerMs = PIECE_BYTES / pieceMs;
    while (child.ended === undefined && sent < end) {
      const due = from + Math.floor((performance.now() - startedMs) * bytesPerMs);
      while (sent < due) {
        const piece = feed.take(due - sent);
        await pty.write(piece);
        sent += piece.length;
      }
      await pause(pieceMs);
    }
  }
}
