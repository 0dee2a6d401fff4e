/**
 * Records from the frames of a line: after each opening the device is given its time and told what it must be told, then
 * frames are decoded, and requests are sent where the device wants to be asked.
 */
import { bytesOfText } from '../bytes-text.ts';
import { Fault, reasonOf } from '../fault.ts';
import type { Clock, Cron, Timer } from '../ports.ts';
import type { CreateLine, Line } from '../serial/line.ts';
import type { PollConfig, SensorConfig } from './config.ts';
import type { ParseJson } from './decode-json.ts';
import { decoderOf, passesWhenTorn } from './decoder.ts';
import { lineHint } from './hint.ts';
import { openReadOut } from './iec-handshake.ts';
import { Poller } from './poller.ts';
import type { Decoder } from './record.ts';
import type { Reports } from './reports.ts';
import type { Source, SourceCounters, SourceEvents } from './source.ts';
import { takeSteps, Talk } from './talk.ts';

export interface LineSourceOptions {
  readonly config: SensorConfig;
  readonly clock: Clock;
  readonly cron: Cron;
  readonly parseJson: ParseJson;
  readonly createLine: CreateLine;
  readonly reports: Reports;
  readonly events: SourceEvents;
}

/** How long a write by command waits for a request that is under way. */
const TURN_MS = 10_000;
/** Bytes of a bad frame that the log may show. */
const SAMPLE_BYTES = 64;

export class LineSource implements Source {
  readonly #options: LineSourceOptions;
  readonly #decode: Decoder;
  readonly #line: Line;
  readonly #poller: Poller | undefined;
  readonly #counters = { invalid: 0, silences: 0 };
  #generation = 0;
  #talk: Talk | undefined;
  #ready = false;
  #quiet: Timer | undefined;
  /** Whoever had the line before may have asked, and with another request: what comes is the answer to it. */
  #mayBeForeign: boolean;

  constructor(options: LineSourceOptions) {
    const { config, clock, cron, parseJson, createLine } = options;
    this.#options = options;
    this.#decode = decoderOf(config.decode, parseJson);
    this.#line = createLine({
      sensor: config.id,
      port: config.port,
      framing: config.framing,
      check: config.check,
      dropsTorn: passesWhenTorn(config.decode),
      events: {
        up: (generation) => this.#up(generation),
        down: (_, reason) => this.#down(reason),
        frame: (generation, bytes, body) => this.#frame(generation, bytes, body),
        discarded: (_, count) => options.events.bad(count),
      },
    });
    const { poll } = config;
    // A handshake begins with the device's own name, which is no answer to a request.
    this.#mayBeForeign = poll !== undefined && poll.handshake === undefined;
    this.#poller =
      poll === undefined
        ? undefined
        : new Poller({
            time: poll,
            timeout: poll.timeout,
            retries: poll.retries,
            clock,
            cron,
            ask: () => this.#ask(poll),
            onFailure: (why, last) => this.#unanswered(why, last),
          });
  }

  get counters(): SourceCounters {
    const { requests, repeated, skipped } = this.#poller ?? { requests: 0, repeated: 0, skipped: 0 };
    return { ...this.#line.counters, ...this.#counters, requests, repeated, pollsSkipped: skipped, exceptions: 0 };
  }

  get beatMs(): number | undefined {
    return this.#poller?.beatMs;
  }

  start(): void {
    this.#line.start();
  }

  async stop(): Promise<void> {
    this.#halt();
    await this.#line.stop();
  }

  write(generation: number, bytes: Buffer): Promise<void> {
    return this.#line.write(generation, bytes);
  }

  async exchange<Result>(bytes: Buffer, listen: () => Promise<Result>): Promise<Result> {
    if (!this.#ready) throw new Fault('line.closed', 'the line is not open, or its device is being initialised');
    const generation = this.#generation;
    await this.#turn();
    try {
      const heard = listen();
      // It may fail before the write has, and is then told below all the same.
      heard.catch(() => undefined);
      await this.#line.write(generation, bytes);
      return await heard;
    } finally {
      this.#poller?.release();
    }
  }

  /** Until no request is under way; none is sent then until the poller is released. */
  async #turn(): Promise<void> {
    const poller = this.#poller;
    if (poller === undefined) return;
    let late: Timer | undefined;
    const tooLate = new Promise<'late'>((resolve) => {
      late = this.#options.clock.after(TURN_MS, () => resolve('late'));
    });
    const turn = await Promise.race([poller.hold(), tooLate]);
    late?.cancel();
    if (turn !== 'late') return;
    poller.release();
    throw new Fault('line.silent', `a request on the line has not ended for ${TURN_MS} ms; nothing was written`);
  }

  reopen(reason: string): void {
    this.#line.reopen(this.#generation, reason);
  }

  hint(): string | undefined {
    const { config } = this.#options;
    return lineHint(this.#line.recentBytes, config.port, config.decode.type);
  }

  #up(generation: number): void {
    this.#generation = generation;
    const { init } = this.#options.config;
    if (init === undefined || (init.settle === 0 && init.steps.length === 0)) return this.#begin();
    const talk = new Talk(this.#line, this.#options.clock, generation);
    this.#talk = talk;
    this.#initialise(talk).then(
      () => {
        if (this.#talk !== talk) return;
        talk.end('nothing');
        this.#talk = undefined;
        this.#options.reports.over('init');
        this.#begin();
      },
      (error: unknown) => {
        if (this.#talk !== talk) return;
        const reason = `the device could not be initialised: ${reasonOf(error)}`;
        this.#options.reports.trouble('init', 'device not initialised; the line is opened again', { reason });
        this.#line.reopen(generation, reason);
      },
    );
  }

  async #initialise(talk: Talk): Promise<void> {
    const { settle = 0, steps = [] } = this.#options.config.init ?? {};
    if (settle > 0) await talk.wait(settle);
    await takeSteps(talk, steps);
  }

  #begin(): void {
    this.#ready = true;
    this.#options.events.up();
    const poller = this.#poller;
    if (poller === undefined) return;
    // What comes sooner after an opening may be the rest of an earlier answer, and the line drops it as torn.
    const { quietMs } = this.#line;
    const waitMs = this.#mayBeForeign ? Math.max(quietMs, this.#options.config.poll?.timeout ?? 0) : quietMs;
    this.#quiet = this.#options.clock.after(waitMs, () => {
      if (this.#mayBeForeign) this.#line.forget(this.#generation);
      this.#mayBeForeign = false;
      poller.start();
    });
  }

  #down(reason: string): void {
    this.#halt();
    this.#options.events.down(reason);
  }

  #halt(): void {
    this.#ready = false;
    this.#quiet?.cancel();
    this.#poller?.stop();
    this.#talk?.abort();
    this.#talk = undefined;
  }

  async #ask(poll: PollConfig): Promise<void> {
    const { port } = this.#options.config;
    const request = bytesOfText(poll.write);
    if (poll.handshake === undefined || port.kind !== 'tty') return this.#line.write(this.#generation, request);
    const talk = new Talk(this.#line, this.#options.clock, this.#generation);
    this.#talk = talk;
    try {
      await openReadOut(talk, request, port.baudRate, poll.baudRateMax ?? 19_200);
    } finally {
      talk.end('rest');
      if (this.#talk === talk) this.#talk = undefined;
    }
  }

  #unanswered(why: string, last: boolean): void {
    this.#counters.silences += 1;
    this.#line.forget(this.#generation);
    this.#options.reports.noise('unanswered', 'request has no answer', why, () => ({}));
    if (last) this.#options.events.silent();
  }

  #frame(generation: number, frame: Buffer, body: Buffer): void {
    if (!this.#ready || this.#mayBeForeign) return;
    const { events, reports } = this.#options;
    const decoded = this.#decode(body);
    if (decoded.kind === 'invalid') {
      this.#counters.invalid += 1;
      events.bad(frame.length);
      reports.noise('invalid', 'frame is not valid', decoded.reason, () => ({
        bytes: frame.length,
        hex: frame.toString('hex', 0, SAMPLE_BYTES),
      }));
      return;
    }
    this.#poller?.answered();
    events.record(generation, decoded.record, frame);
  }
}
