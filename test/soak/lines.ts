/**
 * The two lines of a soak. A fast pump on a real tty, which can be hung up as by a pulled adapter (by root only), and a
 * sensor on a TCP line that speaks a good line a second among noise, whose adapter can be lost too.
 */
import { openPty } from '../../src/platform/pty.ts';
import { FuelPump } from '../../src/workbench/fuel-pump.ts';
import { LinkProxy } from '../../src/workbench/link-proxy.ts';
import type { Random } from '../../src/workbench/random.ts';
import { openSerialServer } from '../../src/workbench/serial-server.ts';
import type { Undo } from '../../src/workbench/undo.ts';

/** Sales on the line and not acknowledged. */
const PUMP_WINDOW = 64;
const REPEAT_MS = 500;
const TICK_MS = 20;
/** Writes to the pump's tty that have not been taken yet. */
const UNWRITTEN_MAX = 64;
/** Sales that wait for their turn; beyond it none is made, so that a line that is away does not make a flood. */
const WAITING_MAX = 2000;
const NOISE_MS = 100;
const NOISE_BYTES_MAX = 400;

export interface PumpLine {
  readonly pump: FuelPump;
  readonly path: string;
  /** Sells at this rate until it is called again; 0: nothing more. */
  readonly sell: (perSecond: number) => void;
  /** Pulls the adapter and plugs it in again; undefined where only root may. */
  readonly unplug: (() => Promise<void>) | undefined;
}

export async function openPump(random: Random, undo: Undo): Promise<PumpLine> {
  const pty = await openPty();
  undo.add(() => pty.close());
  let unwritten = 0;
  const write = (text: string): boolean => {
    if (unwritten >= UNWRITTEN_MAX) return false;
    unwritten += 1;
    const taken = (): void => {
      unwritten -= 1;
    };
    // A terminal that is being taken down takes nothing: the pump would say it again.
    pty.write(text).then(taken, taken);
    return true;
  };
  const pump = new FuelPump({ boot: 'a1', window: PUMP_WINDOW, repeatMs: REPEAT_MS, random, write });
  pty.onBytes((bytes) => pump.take(bytes, performance.now()));
  let perSecond = 0;
  let due = 0;
  let beforeMs = performance.now();
  const ticking = setInterval(() => {
    const nowMs = performance.now();
    due += ((nowMs - beforeMs) / 1000) * perSecond;
    beforeMs = nowMs;
    for (; due >= 1; due -= 1) if (pump.waiting < WAITING_MAX) pump.sell(nowMs);
    pump.tick(nowMs);
  }, TICK_MS);
  undo.add(() => clearInterval(ticking));
  const warming = setInterval(() => pump.temperature(), 1000);
  undo.add(() => clearInterval(warming));
  const sell = (rate: number): void => {
    [perSecond, due] = [rate, 0];
  };
  return { pump, path: pty.path, sell, unplug: process.getuid?.() === 0 ? () => pty.hangUp() : undefined };
}

export interface NoisyLine {
  readonly tcp: string;
  /** Whether the agent is on the line. */
  readonly held: () => boolean;
  /** The line's other end goes away and takes connections again at once. */
  readonly replug: () => void;
}

export async function openNoise(random: Random, undo: Undo): Promise<NoisyLine> {
  const server = await openSerialServer({ opened: () => undefined, bytes: () => undefined });
  undo.add(() => server.close());
  const port = Number(('tcp' in server.port ? server.port.tcp : '').split(':')[1]);
  const adapter = new LinkProxy({ target: port });
  undo.add(() => adapter.stop());
  await adapter.start();
  let turns = 0;
  const speaking = setInterval(() => {
    turns += 1;
    if (turns % 10 === 0) server.write(`${JSON.stringify({ k: 'n', n: turns })}\n`);
    else server.write(noise(random));
  }, NOISE_MS);
  undo.add(() => clearInterval(speaking));
  return { tcp: `127.0.0.1:${adapter.port}`, held: () => adapter.open > 0, replug: () => void adapter.cut() };
}

/** Bytes of any value, half a line of JSON, or a number that is none. */
function noise(random: Random): string {
  const length = random.whole(1, NOISE_BYTES_MAX);
  const bytes = String.fromCharCode(...Array.from({ length }, () => random.whole(0, 255)));
  return random.unit() < 0.7 ? `${bytes}\n` : `{"k":"n","n":${random.unit() < 0.5 ? '"x"}\n' : ''}`;
}
