/** Starts one agent, or an empty node, and takes its figures from the kernel: of its own process, at the start and idle. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { Child } from '../../src/workbench/child.ts';
import type { Undo } from '../../src/workbench/undo.ts';
import { until } from '../../src/workbench/wait.ts';
import type { PeerStart } from './peers.ts';
import type { Stage } from './stage.ts';
import type { Variant } from './variants.ts';

const DEADLINE_MS = 15_000;
const STOP_PATIENCE_MS = 12_000;
/**
 * After which the start is over and the idle time begins: V8 collects twice what a start has left behind, 8 s after the last
 * burst of it (some 60 ms of processor time in all), and then no more.
 */
const SETTLED_MS = 12_000;
/** An agent that says nothing is not idle, it is broken. */
const SETTLED_SAMPLES = 3;
/** An empty node is up long before. */
const EMPTY_MS = 1000;

export interface Figures {
  readonly rssMib: number;
  readonly privateDirtyMib: number;
  readonly readyCpuMs: number;
  readonly readyWallMs: number;
  readonly idleCpuMsPerSecond: number;
  readonly wakeupsPerSecond: number;
  readonly threads: number;
  readonly descriptors: number;
  readonly fileKib: number;
}

/** `env -i` gives way to node by exec, in the same process: nothing of this shell's environment is left. */
async function prepare(stage: Stage, variant: Variant, name: string, undo: Undo): Promise<PeerStart> {
  const { environment, flags, file, peer } = variant;
  if (peer !== undefined) return peer.prepare(stage, name, undo);
  const config = await stage.configure(name);
  const program = file === undefined ? ['-e', 'setInterval(()=>{},1000)'] : [file, 'run', '--config', config];
  const path = `PATH=${process.env['PATH'] ?? '/usr/bin:/bin'}`;
  const args = ['-i', path, ...environment, process.execPath, ...flags, ...program];
  return { command: 'env', args };
}

function start({ command, args }: PeerStart, undo: Undo): Child {
  const child = new Child({ command, args });
  undo.add(() => child.kill9());
  return child;
}

function pidOf(child: Child): number {
  if (child.pid === undefined) throw new Error(`not started: ${child.lastWords()}`);
  return child.pid;
}

export async function measure(
  stage: Stage,
  variant: Variant,
  name: string,
  seconds: number,
  undo: Undo,
): Promise<Figures> {
  const program = await prepare(stage, variant, name, undo);
  const { witness, cpu } = stage;
  const isEmpty = variant.file === undefined && variant.peer === undefined;
  if (!isEmpty) {
    const first = start(program, undo);
    await witness.online(first);
    await first.stop(STOP_PATIENCE_MS);
  }
  const startedMs = performance.now();
  const child = start(program, undo);
  const pid = pidOf(child);
  if (isEmpty) await pause(EMPTY_MS);
  else await witness.online(child);
  const readyWallMs = isEmpty ? Number.NaN : performance.now() - startedMs;
  const readyCpuMs = await cpu.ms(pid);

  const samplesAtReady = witness.samples;
  const settled = (): boolean => isEmpty || witness.samples >= samplesAtReady + SETTLED_SAMPLES;
  await until(settled, () => `samples; the agent's last: ${child.lastWords()}`, DEADLINE_MS);
  if (!isEmpty) await pause(Math.max(0, startedMs + readyWallMs + SETTLED_MS - performance.now()));
  const before = { ms: performance.now(), cpu: await cpu.ms(pid), wakeups: wakeups(pid), samples: witness.samples };
  await pause(seconds * 1000);
  const passed = (performance.now() - before.ms) / 1000;
  const idleCpuMs = (await cpu.ms(pid)) - before.cpu;
  const woken = wakeups(pid) - before.wakeups;
  const samples = witness.samples - before.samples;
  // An agent that does nothing would have the best figures of all.
  if (!isEmpty && samples < seconds - 2)
    throw new Error(`${variant.name}: ${samples} samples in ${seconds} s; last: ${child.lastWords()}`);

  const figures: Figures = {
    rssMib: field(`/proc/${pid}/status`, 'VmRSS') / 1024,
    privateDirtyMib: field(`/proc/${pid}/smaps_rollup`, 'Private_Dirty') / 1024,
    readyCpuMs,
    readyWallMs,
    idleCpuMsPerSecond: idleCpuMs / passed,
    wakeupsPerSecond: woken / passed,
    threads: readdirSync(`/proc/${pid}/task`).length,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    fileKib: variant.file === undefined ? Number.NaN : statSync(variant.file).size / 1024,
  };
  if (isEmpty) await child.kill9();
  else await child.stop(STOP_PATIENCE_MS);
  await program.done?.();
  return figures;
}

/** Times that any thread slept and was woken: each lets a small machine out of its rest. */
function wakeups(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  return tasks.reduce((sum, task) => sum + field(`/proc/${pid}/task/${task}/status`, 'voluntary_ctxt_switches'), 0);
}

function field(file: string, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(file, 'utf8'))?.[1];
  if (found === undefined) throw new Error(`${file} has no ${name}`);
  return Number(found);
}
