/**
 * The command desk: every message on `down/command/#` comes here. It is judged (rate, retained, size, form, repeats, policy,
 * arguments, expiry), run, and answered on `up/response/<command>/<id>`, exactly one final answer a request. A changing
 * command is in the command ledger before it runs. What can not be answered safely (an id that is no topic level) is
 * counted. A flood is bounded: beyond the rate requests are rejected, beyond that dropped unanswered, and QoS 1 does not
 * bring them back.
 */
import { createHash } from 'node:crypto';
import type { Topics } from '../broker/topics.ts';
import { reasonOf } from '../fault.ts';
import type { Chance, Clock, EventSink, Log, SignatureJudge, StateStore } from '../ports.ts';
import type { InboundMessage } from '../ports-broker.ts';
import { Audit } from './audit.ts';
import { CommandLedger, type CommandRecord } from './command-ledger.ts';
import type { Command, Document, RunContext } from './command.ts';
import type { Answer } from './held-answers.ts';
import { isOn, judge, type Judged, type Policy } from './judge.ts';
import { Outcomes } from './outcomes.ts';
import { Rate } from './rate.ts';
import { isExpired } from './request.ts';
import { encodeResponse, type Outcome, outcomeOf, rejected } from './response.ts';

const DISK = 'command.disk';
/** Requests that are being run or answered at once. */
const AT_ONCE_MAX = 32;
/** A dashboard that asks five things every ten seconds comes to half of it; a person who looks around, to the burst. */
const RATE = { burst: 30, perMinute: 60 };
/** Requests beyond that which are told so, before they are dropped. */
const REJECTIONS = { burst: 10, perMinute: 10 };
/** Who asks hears by then that the command runs. */
const PROGRESS_MS = 1000;
/** A command and an id come from outside and become levels of our own topic. */
const LEVEL = /^[A-Za-z0-9._-]{1,64}$/;
/** MQTT 5 has no bound but the packet's; a client's own correlation data is a number or a name. */
const CORRELATION_BYTES_MAX = 256;

export interface DeskOptions {
  readonly topics: Topics;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly log: Log;
  readonly state: StateStore;
  readonly auditSink: EventSink;
  readonly commands: readonly Command[];
  readonly policy: Policy;
  readonly device: string;
  /** Undefined: nobody may sign. */
  readonly signatures: SignatureJudge | undefined;
  /** Of the connection that there is, as the status says it. */
  readonly session: () => string | undefined;
  /** Resolves when the response is acknowledged; rejects when it could not be sent. */
  readonly respond: (response: Response) => Promise<void>;
}

/** A response on its way out. */
export interface Response extends Answer {
  readonly command: string;
  readonly id: string;
  readonly status: Outcome['status'];
  /** The one final answer of a changing command that was begun. */
  readonly owed: boolean;
}

export interface DeskCounters {
  readonly requests: number;
  readonly unanswerable: number;
  /** Rejected because they came too fast. */
  readonly limited: number;
  /** Not even answered. */
  readonly dropped: number;
  /** How often the ledger refused an audit event. */
  readonly unaudited: number;
}

interface Place {
  readonly command: string;
  readonly id: string;
  readonly topic: string;
  readonly correlationData: Buffer | undefined;
  /** That it was asked of, with others. */
  readonly group?: string | undefined;
  /** What waits for the final answer to have left. */
  readonly after: (() => void)[];
}

interface Received {
  readonly payload: Buffer;
  readonly retained: boolean;
  /** When MQTT 5's message expiry interval is over, on the monotonic clock; Infinity: never. */
  readonly lapsesMs: number;
  /** From the device's own schedule. */
  readonly own?: true;
}

type Fit = Extract<Judged, { readonly kind: 'fit' }>;

export class CommandDesk {
  readonly #options: DeskOptions;
  readonly #commands: ReadonlyMap<string, Command>;
  readonly #outcomes = new Outcomes();
  readonly #ledger: CommandLedger;
  readonly #audit: Audit;
  readonly #rate: Rate;
  readonly #rejections: Rate;
  readonly #counters = { requests: 0, unanswerable: 0, limited: 0, dropped: 0 };
  #atOnce = 0;
  #closed = false;

  constructor(options: DeskOptions) {
    this.#options = options;
    this.#commands = new Map(options.commands.map((command) => [command.name, command]));
    this.#ledger = new CommandLedger(options);
    this.#audit = new Audit(options);
    this.#rate = new Rate({ ...options, ...RATE });
    this.#rejections = new Rate({ ...options, ...REJECTIONS });
  }

  /**
   * Before the first request, and once events are accepted. Until then changing commands are rejected. Commands that the end
   * of the process cut off and that know how to go on do so.
   */
  async open(): Promise<void> {
    const resumed: { place: Place; running: Promise<unknown> }[] = [];
    await this.#ledger.open((record) => {
      const place = this.#placeOfRecord(record);
      const running = this.#commands.get(record.command)?.resume?.(this.#contextOf(place, record.by));
      if (running !== undefined) resumed.push({ place, running });
      return running !== undefined;
    });
    this.#audit.offer(this.#ledger.epoch, this.#ledger.ended);
    for (const { place, running } of resumed) this.#track(place, this.#end(place, running));
  }

  /** Nothing is taken any more, and nothing written: a run that has not ended is for whoever opens the ledger next. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#ledger.close();
  }

  get counters(): DeskCounters {
    return { ...this.#counters, unaudited: this.#audit.refused };
  }

  /** Changing commands that have ended, oldest first, without their results. */
  get history(): readonly Document[] {
    return this.#ledger.ended.map(({ command, id, by, atMs, outcome }) => ({
      command,
      id,
      by,
      at: atMs === undefined ? undefined : new Date(atMs).toISOString(),
      status: outcome?.status,
      code: outcome?.error?.code,
    }));
  }

  /** The commands that would be run. */
  get accepted(): readonly Command[] {
    const { policy } = this.#options;
    return [...this.#commands.values()].filter((command) => isOn(command, policy));
  }

  take(message: InboundMessage): void {
    const place = this.#closed ? undefined : this.#placeOf(message);
    if (place === undefined) return;
    this.#counters.requests += 1;
    if (this.#atOnce >= AT_ONCE_MAX) return this.#drop('too many at once');
    if (this.#rate.take()) return this.#track(place, this.#handle(place, this.#received(message)));
    if (!this.#rejections.take()) return this.#drop('too many a minute');
    this.#counters.limited += 1;
    const limit = rejected('command.rate', `more than ${RATE.perMinute} requests a minute: ask again later`);
    this.#track(place, this.#answer(place, limit));
  }

  /** A command of the device's own schedule: judged and answered as one that came from outside, at any rate. */
  async runScheduled(command: string, args: unknown, id: string): Promise<void> {
    const payload = Buffer.from(JSON.stringify({ v: 1, args, by: 'schedule' }), 'utf8');
    const place = {
      command,
      id,
      topic: this.#options.topics.response(command, id),
      correlationData: undefined,
      after: [],
    };
    await this.#handle(place, { payload, retained: false, lapsesMs: Infinity, own: true });
  }

  #track(place: Place, handled: Promise<void>): void {
    this.#atOnce += 1;
    handled
      .catch((error: unknown) => {
        // The link went; whoever asks again with the same id gets the same answer.
        this.#options.log.debug('response not sent', { command: place.command, reason: reasonOf(error) });
      })
      .finally(() => {
        this.#atOnce -= 1;
      });
  }

  #drop(why: string): void {
    if (this.#counters.dropped === 0) this.#options.log.warn(`commands are dropped: ${why}`);
    this.#counters.dropped += 1;
  }

  #placeOf({ topic, responseTopic, correlationData }: InboundMessage): Place | undefined {
    const { topics, log } = this.#options;
    const found = topics.parseCommand(topic);
    if (found === undefined) return undefined;
    const { command, id, group } = found;
    if (!LEVEL.test(command) || !LEVEL.test(id)) {
      if (this.#counters.unanswerable === 0) log.warn('command without a usable name or id: not answered');
      this.#counters.unanswerable += 1;
      return undefined;
    }
    // On one topic the answers of a group could not be told apart.
    const own = group === undefined && topics.isResponse(responseTopic) ? responseTopic : undefined;
    const correlation = (correlationData?.length ?? 0) <= CORRELATION_BYTES_MAX ? correlationData : undefined;
    const answered = own ?? topics.response(command, id);
    return { command, id, topic: answered, correlationData: correlation, group, after: [] };
  }

  /** Where a command of an earlier process is to be answered. */
  #placeOfRecord({ command, id, topic, correlation }: CommandRecord): Place {
    const { topics } = this.#options;
    const correlationData = correlation === undefined ? undefined : Buffer.from(correlation, 'base64');
    return {
      command,
      id,
      topic: topics.isResponse(topic) ? topic : topics.response(command, id),
      correlationData,
      after: [],
    };
  }

  #received({ payload, retained, expirySeconds }: InboundMessage): Received {
    const leftMs = expirySeconds === undefined ? Infinity : expirySeconds * 1000;
    return { payload, retained, lapsesMs: this.#options.clock.monotonicMs() + leftMs };
  }

  async #answer(place: Place, outcome: Outcome, repeated = false, owed = false): Promise<void> {
    await this.#send(place, outcome.status, encodeResponse(place.command, place.id, outcome, repeated), owed);
  }

  async #send(place: Place, status: Outcome['status'], payload: Buffer, owed: boolean): Promise<void> {
    const { command, id, topic, correlationData } = place;
    const home = this.#options.topics.response(command, id);
    await this.#options.respond({ topic, home, payload, correlationData, command, id, status, owed });
  }

  #contextOf(place: Place, by: string | undefined): RunContext {
    const { id, after } = place;
    return {
      id,
      by,
      progress: (members) => this.#tell(place, 'executing', members),
      afterAnswer: (run) => void after.push(run),
    };
  }

  /** What is not the final answer. Resolves when it is acknowledged or could not be sent. */
  async #tell(place: Place, status: 'accepted' | 'executing', members: Document = {}): Promise<void> {
    const { command, id } = place;
    const payload = encodeResponse(command, id, { status }, false, members);
    await this.#send(place, status, payload, false).catch((error: unknown) => {
      this.#options.log.debug('progress not sent', { command, status, reason: reasonOf(error) });
    });
  }

  /** Up to where a request is known to run, all in one turn: of two with one id the second finds the first. */
  async #handle(place: Place, received: Received): Promise<void> {
    const { command: name, id } = place;
    const { payload, retained } = received;
    if (retained) {
      // Somebody takes a retained command away.
      if (payload.length === 0) return;
      return this.#answer(
        place,
        rejected('command.retained', 'a retained command is never run: publish without retain'),
      );
    }
    const digest = createHash('sha256').update(payload).digest('base64url');
    const key = `${name} ${id}`;
    const kept = this.#ledger.recall(name, id, digest);
    const recalled = kept.kind === 'new' ? this.#outcomes.recall(key, digest) : kept;
    if (recalled.kind === 'done') return this.#answer(place, recalled.outcome, true);
    if (recalled.kind === 'running') return this.#answer(place, { status: 'executing' }, true);
    if (recalled.kind === 'other') {
      return this.#answer(
        place,
        rejected('command.id-reused', 'this id was used with another request: take a new one'),
      );
    }
    const judged = this.#judge(place, received);
    if (judged.kind === 'fit' && judged.command.changes) return this.#change(judged, place, received, digest);
    this.#outcomes.note(key, digest, undefined);
    const outcome = judged.kind === 'fit' ? await this.#read(judged, place) : judged.outcome;
    // Nothing was run, so it may be asked again with the same id.
    if (outcome.error?.code === DISK) this.#outcomes.forget(key);
    else this.#outcomes.note(key, digest, outcome);
    return this.#answer(place, outcome);
  }

  #judge({ command: name, id, group }: Place, { payload, lapsesMs }: Received): Judged {
    if (group !== undefined && this.#commands.get(name)?.changes === true) {
      const alone = 'a group is asked only what changes nothing: ask each device by itself';
      return { kind: 'refused', outcome: rejected('command.group', alone) };
    }
    const trust = { ...this.#options, counterOf: (key: string): number => this.#ledger.counterOf(key) };
    const judged = judge(this.#commands, this.#options.policy, name, id, payload, trust);
    if (judged.kind === 'refused' || !isExpired(judged.request, lapsesMs, this.#options.clock)) return judged;
    return { kind: 'refused', outcome: { status: 'expired' } };
  }

  /** The number of a signed request is used up on disk first; else nothing of a reading command is kept there. */
  async #read(fit: Fit, place: Place): Promise<Outcome> {
    const reason = fit.signed === undefined ? undefined : await this.#ledger.count(fit.signed);
    return reason === undefined ? this.#run(fit, place) : rejected(DISK, `nothing was run: ${reason}`);
  }

  /** On disk, then run, then its outcome on disk. What could not be begun may be asked again with the same id. */
  async #change(fit: Fit, place: Place, { lapsesMs, own }: Received, digest: string): Promise<void> {
    const { command, id, topic } = place;
    const correlation = place.correlationData?.toString('base64');
    const { signed, request } = fit;
    const { by } = request;
    const begun = await this.#ledger.begin({ command, id, topic, correlation, request: digest, by, signed, own });
    if (begun.kind === 'disk') return this.#answer(place, rejected(DISK, `nothing was run: ${begun.reason}`));
    if (begun.kind === 'full') {
      const full = 'nothing was run: there is no room until older outcomes are seven days old';
      return this.#answer(place, rejected('command.ledger-full', full));
    }
    // Not waited for: on a slow link it would hold the command up.
    this.#tell(place, 'accepted').catch(() => undefined);
    // The disk may have taken its time.
    const isLate = isExpired(fit.request, lapsesMs, this.#options.clock);
    const outcome: Outcome = isLate ? { status: 'expired' } : await this.#run(fit, place);
    return this.#conclude(place, outcome);
  }

  /** One that takes its time is told to be executing, once. */
  async #run({ command, args, request, signed }: Fit, place: Place): Promise<Outcome> {
    const { clock, log } = this.#options;
    log.info('command', { command: command.name, id: place.id, by: request.by, signer: signed?.principal });
    const context = this.#contextOf(place, request.by);
    const progress = clock.after(PROGRESS_MS, () => void context.progress({}));
    // Within the promise: a run that throws at once fails as one that throws later.
    const outcome = await this.#outcome(place, (async () => command.run(args, context))());
    progress.cancel();
    return outcome;
  }

  async #end(place: Place, running: Promise<unknown>): Promise<void> {
    return this.#conclude(place, await this.#outcome(place, running));
  }

  async #outcome({ command, id }: Place, running: Promise<unknown>): Promise<Outcome> {
    try {
      return { status: 'succeeded', result: await running };
    } catch (error) {
      this.#options.log.warn('command failed', { command, id, reason: reasonOf(error) });
      return outcomeOf(error);
    }
  }

  async #conclude(place: Place, outcome: Outcome): Promise<void> {
    const record = await this.#ledger.end(place.command, place.id, outcome);
    if (record !== undefined) this.#audit.offer(this.#ledger.epoch, [record]);
    try {
      await this.#answer(place, outcome, false, true);
    } finally {
      for (const run of place.after) run();
    }
  }
}
