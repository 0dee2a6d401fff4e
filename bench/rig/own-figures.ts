/**
 * What a process sees of itself between two moments: processor time of all its threads, loop delay, peak memory; or of
 * another process that has one thread alone.
 */
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

export interface OwnFigures {
  readonly seconds: number;
  /** User and system time of all threads, microseconds. */
  readonly cpuUs: number;
  readonly delayP99Ms: number;
  /** Most that was resident in the life of this process, MiB. */
  readonly peakRssMib: number;
}

/** Begins now; the answer is a function that ends it and says what was. `other`: a process of one thread, instead of this. */
export function startFigures(other?: number): () => OwnFigures {
  const delay = monitorEventLoopDelay({ resolution: 2 });
  delay.enable();
  const cpu = cpuUs(other);
  const from = performance.now();
  return () => {
    const seconds = (performance.now() - from) / 1000;
    const used = cpuUs(other) - cpu;
    delay.disable();
    return {
      seconds,
      cpuUs: used,
      delayP99Ms: delay.percentile(99) / 1e6,
      peakRssMib: peakRssMib(other ?? 'self'),
    };
  };
}

/** schedstat: nanoseconds that the first thread of a process ran. */
function cpuUs(other: number | undefined): number {
  if (other !== undefined) return Number(readFileSync(`/proc/${other}/schedstat`, 'utf8').split(' ')[0]) / 1000;
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** From the kernel's own record; getrusage's is inherited from whoever started the process. */
export function peakRssMib(pid: number | 'self'): number {
  return statusKib(pid, 'VmHWM') / 1024;
}

export function rssMib(pid: number | 'self'): number {
  return statusKib(pid, 'VmRSS') / 1024;
}

function statusKib(pid: number | 'self', name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (found === undefined) throw new Error(`/proc/${pid}/status has no ${name}`);
  return Number(found);
}
