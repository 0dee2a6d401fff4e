/** Records from a Modbus server: its polls' answers. The bus may be shared, so there is no writing to it from here. */
import { Fault } from '../fault.ts';
import type { Clock, Cron, Log } from '../ports.ts';
import type { ModbusBus } from '../serial/modbus-bus.ts';
import type { ModbusConfig } from './config.ts';
import { ModbusPoller } from './modbus-poller.ts';
import type { Reports } from './reports.ts';
import type { Source, SourceCounters, SourceEvents } from './source.ts';

export interface ModbusSourceOptions {
  readonly sensor: string;
  readonly modbus: ModbusConfig;
  readonly bus: Pick<ModbusBus, 'join'>;
  readonly clock: Clock;
  readonly cron: Cron;
  readonly log: Log;
  readonly reports: Reports;
  readonly events: SourceEvents;
}

/** Answers are not written back, so one connection is as good as another. */
const GENERATION = 0;

export class ModbusSource implements Source {
  readonly #poller: ModbusPoller;

  constructor(options: ModbusSourceOptions) {
    const { sensor, modbus, bus, clock, cron, log, reports, events } = options;
    // Each record says which request it answers, for the routes' `when`.
    const polls = modbus.polls.map((poll, at) => ({ ...poll, name: poll.name ?? String(at) }));
    this.#poller = new ModbusPoller({
      sensor,
      config: { ...modbus, polls },
      bus,
      clock,
      cron,
      log,
      onUp: () => events.up(),
      onDown: (why) => events.down(why),
      onRecord: (record, raw) => events.record(GENERATION, record, raw),
      onBad: (reason) => {
        reports.noise('modbus', 'read brought nothing', reason, () => ({ unit: modbus.unit }));
        events.silent(reason === 'no answer' ? undefined : reason);
      },
    });
  }

  get counters(): SourceCounters {
    const { timeouts, garbled, retries, ...line } = this.#poller.counters;
    const silences = timeouts + garbled;
    return { ...line, invalid: 0, requests: line.frames + line.exceptions + silences, silences, repeated: retries };
  }

  get beatMs(): number | undefined {
    return this.#poller.beatMs;
  }

  start(): void {
    this.#poller.start();
  }

  stop(): Promise<void> {
    return this.#poller.stop();
  }

  write(): Promise<void> {
    return Promise.reject(new Fault('line.closed', 'a Modbus bus takes no answers'));
  }

  exchange(): Promise<never> {
    return Promise.reject(new Fault('line.closed', 'a Modbus bus takes no writes'));
  }

  /** The configuration gives such a sensor no watchdog: the bus is not its own. */
  reopen(): void {}

  hint(): undefined {}
}
