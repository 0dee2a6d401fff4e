/**
 * Figures of the machine by systeminformation, loaded when they are first asked for: it is larger than all the rest. It
 * starts small programs (`df`, `cat`) for most figures, so they are read one after the other, and never more often than
 * the configuration's bound. Where a machine can not tell a figure, the figure is left out.
 */
import { networkInterfaces } from 'node:os';
import { resolve, sep } from 'node:path';
import type systeminformation from 'systeminformation';
import { reasonOf } from '../fault.ts';
import type { HostMetric, HostMetrics, HostReading, Log } from '../ports.ts';

type Library = typeof systeminformation;

/** Interfaces that are told of; a machine full of containers has hundreds. */
const INTERFACES_MAX = 8;

export interface HostMetricsOptions {
  /** The file system of this directory is what `disk` speaks of: the one that holds the ledger. */
  readonly directory: string;
  readonly log: Log;
}

export function hostMetrics(options: HostMetricsOptions): HostMetrics {
  const directory = resolve(options.directory);
  const told = new Set<HostMetric>();
  return {
    read: async (metrics) => {
      const { default: library } = await import('systeminformation');
      const readings: HostReading[] = [];
      for (const metric of metrics) {
        try {
          readings.push(...(await READERS[metric](library, directory)).filter(isTold));
        } catch (error) {
          if (!told.has(metric)) options.log.warn('host: no figure', { metric, reason: reasonOf(error) });
          told.add(metric);
        }
      }
      return readings;
    },
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
