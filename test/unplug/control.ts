/**
 * The control: the same pulls before serialport's own reading, which misses some of them and burns a core from then on
 * (serialport/bindings-cpp#162). A harness in which it does not fail sees nothing.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Random } from '../../src/workbench/random.ts';
import { until } from '../serial-rig.ts';
import { Device } from './device.ts';
import { HALF_BYTES, MOMENT_MS, SEEN_MS, type Situation } from './situations.ts';
import type { Told } from './stock-reader.ts';

/** Of /proc/PID/stat: USER_HZ, 100 on every Linux that Node runs on. */
const TICK_MS = 10;

export interface ControlTrial {
  /** Undefined: not within the time it has. */
  readonly seenMs: number | undefined;
  readonly cpu: number;
}

export async function controlTrial(situation: Situation, random: Random, afterMs: number): Promise<ControlTrial> {
  const folder = mkdtempSync(join(tmpdir(), 'fieldpost-unplug-'));
  const path = join(folder, 'usb-meter');
  const device = await Device.make(path, 1);
  device.plugIn();
  const child = fork(join(import.meta.dirname, 'stock-reader.ts'), [path]);
  try {
    return await pullBefore({ child, device, situation, random, afterMs });
  } finally {
    child.kill('SIGKILL');
    await device.throwAway();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Scene {
  readonly child: ChildProcess;
  readonly device: Device;
  readonly situation: Situation;
  readonly random: Random;
  readonly afterMs: number;
}

async function pullBefore({ child, device, situation, random, afterMs }: Scene): Promise<ControlTrial> {
  const told = new Map<Told, number>();
  child.on('message', (what: Told) => told.set(what, performance.now()));
  child.send(situation);
  await until(() => told.has('open'), 'the open port');
  if (situation.pieceBytes === 0) await device.say(device.nextFrame().slice(0, HALF_BYTES));
  device.startTalking(situation);
  await until(() => told.has('enough'), `${situation.afterBytes} bytes`);
  if (situation.poolBlocked) {
    child.send('block');
    await until(() => told.has('blocked'), 'the blocked pool');
  }
  await new Promise((resolve) => setTimeout(resolve, random.between(0, MOMENT_MS)));
  const pulledMs = performance.now();
  await device.pull();
  const seenMs = await until(() => told.get('closed'), 'the loss', SEEN_MS).catch(() => undefined);
  if (situation.poolBlocked) child.send('unblock');
  const cpu = await cpuOf(child.pid ?? 0, afterMs);
  return { seenMs: seenMs === undefined ? undefined : seenMs - pulledMs, cpu };
}

/** Share of a core; 0 of a process that has ended. */
async function cpuOf(pid: number, ms: number): Promise<number> {
  const startMs = usedMs(pid);
  const startedMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, ms));
  return Math.max(0, usedMs(pid) - startMs) / (performance.now() - startedMs);
}

function usedMs(pid: number): number {
  try {
    const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
    const fields = rest.split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    return 0;
  }
}
