/**
 * Trials with fieldpost's own line: the plug is pulled at a random moment of a situation, another device is plugged in, and
 * it is judged whether the loss was seen, what it cost afterwards, whether a frame was glued over the gap, and whether a
 * write for the old device reached the new one. A trial ends with a line that is up, on which the next one begins.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/platform/clock.ts';
import { lineOpener } from '../../src/platform/lines.ts';
import { type Line, lineFactory } from '../../src/serial/line.ts';
import type { Random } from '../../src/workbench/random.ts';
import { keptLog, ttySpec, until } from '../serial-rig.ts';
import { Device } from './device.ts';
import { blockPool, HALF_BYTES, isWhole, MOMENT_MS, type Situation, workFor } from './situations.ts';

/** A loss that takes longer is waited for no more. */
const LOSS_MS = 20_000;

export interface Trial {
  readonly seenMs: number;
  /** Share of a core in the time after it. */
  readonly cpu: number;
  /** Frames that the device did not send like that. */
  readonly torn: number;
  /** Bytes on the new device that were meant for the old one, and writes for it that were not refused. */
  readonly stray: number;
}

export class UnplugBench {
  readonly #random: Random;
  readonly #afterMs: number;
  readonly #folder = mkdtempSync(join(tmpdir(), 'fieldpost-unplug-'));
  readonly #path = join(this.#folder, 'usb-meter');
  readonly #line: Line;
  #device: Device | undefined;
  #plug = 0;
  #workMs = 0;
  #bytes = 0;
  #generation = 0;
  #lostMs: number | undefined;
  #onLost: () => void = () => undefined;
  #frames: string[] = [];

  /** `afterMs`: how long the processor time is measured after each trial. */
  constructor(options: { readonly random: Random; readonly afterMs: number }) {
    this.#random = options.random;
    this.#afterMs = options.afterMs;
    const chance = { unit: () => this.#random.unit(), bytes: (count: number) => Buffer.alloc(count) };
    // The reader's work hangs on the chunk, as it comes from the opener.
    const opener = lineOpener(systemClock);
    const working: typeof opener = {
      ...opener,
      open: (spec, listener) =>
        opener.open(spec, {
          bytes: (chunk) => {
            listener.bytes(chunk);
            this.#bytes += chunk.length;
            workFor(this.#workMs);
          },
          closed: (reason) => listener.closed(reason),
        }),
    };
    this.#line = lineFactory({ opener: working, clock: systemClock, chance, log: keptLog() })({
      sensor: 'pump',
      port: ttySpec(this.#path),
      framing: { type: 'line', delimiter: '\n', max: 128 },
      dropsTorn: false,
      events: {
        up: (generation) => {
          this.#generation = generation;
        },
        down: () => {
          this.#lostMs ??= performance.now();
          this.#onLost();
        },
        frame: (_, bytes) => this.#frames.push(bytes.toString('latin1')),
        discarded: () => undefined,
      },
    });
  }

  async run(situation: Situation): Promise<Trial> {
    const old = await this.#ready();
    const next = await Device.make(this.#path, (this.#plug += 1));
    const generation = this.#generation;
    const writes = new Writes(this.#line, generation);
    const firstFrames = await this.#pull(old, situation, writes);
    const seenMs = firstFrames.seenMs;
    next.plugIn();
    await this.#untilUp(generation, () => writes.refused());
    writes.refused();
    // The frame that the pull cut is not finished by what another device says.
    const frame = next.nextFrame();
    await next.say(`${frame}\n`);
    await until(() => this.#frames.length > firstFrames.count, 'a frame of the new device');
    await this.#line.write(this.#generation, Buffer.from('FRESH\n'));
    await until(() => next.received.length >= 6, 'the answer at the new device');
    await old.throwAway();
    const cpu = await this.#cpuAfter();
    this.#device = next;
    const torn = tornAmong(this.#frames.slice(0, -1), this.#plug - 1) + (this.#frames.at(-1) === frame ? 0 : 1);
    const stray = (await writes.accepted()) + next.received.replace('FRESH\n', '').length;
    return { seenMs, cpu, torn, stray };
  }

  async close(): Promise<void> {
    await this.#line.stop();
    await this.#device?.throwAway();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #ready(): Promise<Device> {
    if (this.#device === undefined) {
      this.#device = await Device.make(this.#path, (this.#plug += 1));
      this.#line.start();
      this.#device.plugIn();
      await this.#untilUp(0, () => undefined);
    }
    this.#bytes = 0;
    this.#frames = [];
    return this.#device;
  }

  async #pull(device: Device, situation: Situation, writes: Writes): Promise<{ seenMs: number; count: number }> {
    this.#workMs = situation.workMs;
    if (situation.pieceBytes === 0) await device.say(device.nextFrame().slice(0, HALF_BYTES));
    device.startTalking(situation);
    await until(() => this.#bytes >= situation.afterBytes, `${situation.afterBytes} bytes`);
    await new Promise((resolve) => setTimeout(resolve, this.#random.between(0, MOMENT_MS)));
    const unblock = situation.poolBlocked ? blockPool(this.#folder) : undefined;
    try {
      this.#lostMs = undefined;
      writes.inFlight();
      this.#onLost = () => writes.refused();
      const pulledMs = performance.now();
      const pulled = device.pull();
      await until(() => this.#lostMs, 'the loss', LOSS_MS);
      await pulled;
      return { seenMs: (this.#lostMs ?? Number.POSITIVE_INFINITY) - pulledMs, count: this.#frames.length };
    } finally {
      this.#workMs = 0;
      this.#onLost = () => undefined;
      unblock?.();
    }
  }

  async #untilUp(generation: number, meanwhile: () => void): Promise<void> {
    await until(() => {
      meanwhile();
      return this.#generation > generation && this.#line.state.kind === 'up';
    }, 'the line on the new device');
  }

  async #cpuAfter(): Promise<number> {
    const used = process.cpuUsage();
    const startedMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, this.#afterMs));
    const { user, system } = process.cpuUsage(used);
    return (user + system) / 1000 / (performance.now() - startedMs);
  }
}

/** Answers for a device that is gone. */
class Writes {
  readonly #line: Line;
  readonly #generation: number;
  readonly #late: Promise<number>[] = [];

  constructor(line: Line, generation: number) {
    this.#line = line;
    this.#generation = generation;
  }

  /** May be taken by the old device or refused, as the pull finds it; it must only never reach another one. */
  inFlight(): void {
    this.#line.write(this.#generation, Buffer.from('OLD\n')).catch(() => undefined);
  }

  /** The loss is known by now. */
  refused(): void {
    this.#late.push(
      this.#line.write(this.#generation, Buffer.from('STALE\n')).then(
        () => 1,
        (error: { readonly code?: string }) => (error.code === 'line.closed' ? 0 : 1),
      ),
    );
  }

  async accepted(): Promise<number> {
    const counts = await Promise.all(this.#late);
    return counts.reduce((sum, count) => sum + count, 0);
  }
}

function tornAmong(frames: readonly string[], plug: number): number {
  return frames.filter((frame) => !isWhole(frame, plug)).length;
}
