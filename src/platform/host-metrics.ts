/**
 * Figures of the machine by systeminformation, loaded when they are first asked for: it is larger than all the rest. It
 * starts small programs (`df`, `cat`) for most figures, so they are read one after the other, and never more often than
 * the configuration's bound. Where a machine can not tell a figure, the figure is left out. The library waits for `df` as
 * long as that waits for a mount that hangs, which may be for ever: a group of figures has its time here, the others go on.
 */
import { networkInterfaces } from 'node:os';
import { resolve, sep } from 'node:path';
import type systeminformation from 'systeminformation';
import { reasonOf } from '../fault.ts';
import type { HostMetric, HostMetrics, HostReading, Log } from '../ports.ts';

type Library = typeof systeminformation;

/** Interfaces that are told of; a machine full of containers has hundreds. */
const INTERFACES_MAX = 8;

/** Time for one group of figures, milliseconds. */
const LIMIT_MS = 30_000;
/** Readings of one group under way at a time: beyond it none is begun until one of them ends. What hangs can not be killed. */
const HUNG_MAX = 3;

export interface HostMetricsOptions {
  /** The file system of this directory is what `disk` speaks of: the one that holds the ledger. */
  readonly directory: string;
  readonly log: Log;
  /** Default: `LIMIT_MS`. */
  readonly limitMs?: number;
}

export function hostMetrics(options: HostMetricsOptions): HostMetrics {
  const directory = resolve(options.directory);
  const told = new Set<HostMetric>();
  const limited = limiter(options.limitMs ?? LIMIT_MS);
  return {
    read: async (metrics) => {
      const { default: library } = await import('systeminformation');
      const readings: HostReading[] = [];
      for (const metric of metrics) {
        try {
          readings.push(...(await limited(metric, () => READERS[metric](library, directory))).filter(isTold));
        } catch (error) {
          if (!told.has(metric)) options.log.warn('host: no figure', { metric, reason: reasonOf(error) });
          told.add(metric);
        }
      }
      return readings;
    },
  };
}

type Limited = (metric: HostMetric, read: () => Promise<readonly HostReading[]>) => Promise<readonly HostReading[]>;

/** What has not ended in its time is left to itself, and counts as under way until it does end. */
function limiter(limitMs: number): Limited {
  const underWay = new Map<HostMetric, number>();
  const count = (metric: HostMetric, change: number): void =>
    void underWay.set(metric, (underWay.get(metric) ?? 0) + change);
  return async (metric, read) => {
    if ((underWay.get(metric) ?? 0) >= HUNG_MAX) throw new Error(`${HUNG_MAX} readings have not ended`);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not told within ${limitMs} ms; is a mount hung?`)), limitMs).unref();
    });
    count(metric, 1);
    const reading = read().finally(() => count(metric, -1));
    // It may fail after its time, when nobody waits for it any more.
    reading.catch(() => undefined);
    try {
      return await Promise.race([reading, late]);
    } finally {
      clearTimeout(timer);
    }
  };
}

type Reader = (library: Library, directory: string) => Promise<readonly HostReading[]>;

const READERS: Readonly<Record<HostMetric, Reader>> = {
  cpu: async (library) => {
    const { currentLoad, avgLoad } = await library.currentLoad();
    // Since the last reading; the one-minute average counts processes.
    return [
      { name: 'cpu_load', value: rounded(currentLoad / 100), unit: '/' },
      { name: 'cpu_waiting', value: rounded(avgLoad), unit: undefined },
    ];
  },
  memory: async (library) => {
    const { total, available } = await library.mem();
    return [
      { name: 'memory_size', value: total, unit: 'B' },
      { name: 'memory_available', value: available, unit: 'B' },
      { name: 'agent_memory', value: process.memoryUsage.rss(), unit: 'B' },
    ];
  },
  disk: async (library, directory) => {
    const found = holderOf(await library.fsSize(), directory);
    if (found === undefined) return [];
    return [
      { name: 'disk_size', value: found.size, unit: 'B' },
      { name: 'disk_available', value: found.available, unit: 'B' },
    ];
  },
  temperature: async (library) => {
    const { main } = await library.cpuTemperature();
    return [{ name: 'cpu_temperature', value: main ?? Number.NaN, unit: 'Cel' }];
  },
  network: async (library) => {
    const interfaces = Object.entries(networkInterfaces())
      .filter(([, addresses]) => addresses?.some((address) => !address.internal) ?? false)
      .map(([name]) => name)
      .slice(0, INTERFACES_MAX);
    if (interfaces.length === 0) return [];
    const stats = await library.networkStats(interfaces.join(','));
    return stats.flatMap(({ iface, rx_bytes, tx_bytes }) => [
      { name: `net_received.${iface}`, value: rx_bytes, unit: 'B' },
      { name: `net_sent.${iface}`, value: tx_bytes, unit: 'B' },
    ]);
  },
};

interface FileSystem {
  readonly mount: string;
  readonly size: number;
  readonly available: number;
}

/** The file system with the longest mount point above the directory. */
function holderOf(systems: readonly FileSystem[], directory: string): FileSystem | undefined {
  return systems
    .filter(({ mount }) => `${directory}${sep}`.startsWith(mount.endsWith(sep) ? mount : `${mount}${sep}`))
    .toSorted((a, b) => b.mount.length - a.mount.length)[0];
}

/** A figure that this machine does not have is null or negative in the library's answer. */
function isTold({ value }: HostReading): boolean {
  return Number.isFinite(value) && value >= -273.15;
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
