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
import type { Chance, Clock, EventSink, Log, StateStore } from '../ports.ts';
import type { InboundMessage } from '../ports-broker.ts';
import { Audit } from './audit.ts';
import { CommandLedger } from './command-ledger.ts';
import type { Command } from './command.ts';
import { isOn, judge, type Judged, type Policy } from './judge.ts';
import { Outcomes } from './outcomes.ts';
import { Rate } from './rate.ts';
import { isExpired } from './request.ts';
import { encodeResponse, type Outcome, rejected } from './response.ts';

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
  /** Resolves when the response is acknowledged; rejects when it could not be sent. */
  readonly respond: (topic: string, payload: Buffer, correlationData: Buffer | undefined) => Promise<void>;
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
type Answer = (outcome: Outcome, repeated: boolean) => Promise<void>;

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

  constructor(options: DeskOptions) {
    this.#options = options;
    this.#commands = new Map(options.commands.map((command) => [command.name, command]));
    this.#ledger = new CommandLedger(options);
    this.#audit = new Audit(options);
    this.#rate = new Rate({ ...options, ...RATE });
    this.#rejections = new Rate({ ...options, ...REJECTIONS });
  }

  /** Before the first request, and once events are accepted. Until then changing commands are rejected. */
  async open(): Promise<void> {
    await this.#ledger.open();
    this.#audit.offer(this.#ledger.epoch, this.#ledger.ended);
  }

  get counters(): DeskCounters {
    return { ...this.#counters, unaudited: this.#audit.refused };
  }

  /** Names of the commands that would be run. */
  get accepted(): readonly string[] {
    const { policy } = this.#options;
    return [...this.#commands.values()].filter((command) => isOn(command, policy)).map(({ name }) => name);
  }

  take(message: InboundMessage): void {
    const place = this.#placeOf(message);
    if (place === undefined) return;
    this.#counters.requests += 1;
    if (this.#atOnce >= AT_ONCE_MAX) return this.#drop('too many at once');
    if (this.#rate.take()) return this.#track(place, this.#handle(place, this.#received(message)));
    if (!this.#rejections.take()) return this.#drop('too many a minute');
    this.#counters.limited += 1;
    const limit = rejected('command.rate', `more than ${RATE.perMinute} requests a minute: ask again later`);
    this.#track(place, this.#answerTo(place)(limit, false));
  }

  /** A command of the device's own schedule: judged and answered as one that came from outside, at any rate. */
  async runScheduled(command: string, args: unknown, id: string): Promise<void> {
    const payload = Buffer.from(JSON.stringify({ v: 1, args, by: 'schedule' }), 'utf8');
    const place = { command, id, topic: this.#options.topics.response(command, id), correlationData: undefined };
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
    const { command, id } = found;
    if (!LEVEL.test(command) || !LEVEL.test(id)) {
      if (this.#counters.unanswerable === 0) log.warn('command without a usable name or id: not answered');
      this.#counters.unanswerable += 1;
      return undefined;
    }
    const own = topics.isResponse(responseTopic) ? responseTopic : undefined;
    const correlation = (correlationData?.length ?? 0) <= CORRELATION_BYTES_MAX ? correlationData : undefined;
    return { command, id, topic: own ?? topics.response(command, id), correlationData: correlation };
  }

  #received({ payload, retained, expirySeconds }: InboundMessage): Received {
    const leftMs = expirySeconds === undefined ? Infinity : expirySeconds * 1000;
    return { payload, retained, lapsesMs: this.#options.clock.monotonicMs() + leftMs };
  }

  #answerTo({ command, id, topic, correlationData }: Place): Answer {
    return (outcome, repeated) =>
      this.#options.respond(topic, encodeResponse(command, id, outcome, repeated), correlationData);
  }

  /** Up to where a request is known to run, all in one turn: of two with one id the second finds the first. */
  async #handle(place: Place, received: Received): Promise<void> {
    const { command: name, id } = place;
    const { payload, retained } = received;
    const answer = this.#answerTo(place);
    if (retained) {
      return answer(rejected('command.retained', 'a retained command is never run: publish it without retain'), false);
    }
    const digest = createHash('sha256').update(payload).digest('base64url');
    const key = `${name} ${id}`;
    const kept = this.#ledger.recall(name, id, digest);
    const recalled = kept.kind === 'new' ? this.#outcomes.recall(key, digest) : kept;
    if (recalled.kind === 'done') return answer(recalled.outcome, true);
    if (recalled.kind === 'running') return answer({ status: 'executing' }, true);
    if (recalled.kind === 'other') {
      return answer(rejected('command.id-reused', 'this id was used with another request: take a new one'), false);
    }
    const judged = this.#judge(name, id, received);
    if (judged.kind === 'fit' && judged.command.changes) {
      return answer(await this.#change(judged, place, received, digest), false);
    }
    this.#outcomes.note(key, digest, undefined);
    const outcome = judged.kind === 'fit' ? await this.#run(judged, place) : judged.outcome;
    this.#outcomes.note(key, digest, outcome);
    return answer(outcome, false);
  }

  #judge(name: string, id: string, { payload, lapsesMs }: Received): Judged {
    const judged = judge(this.#commands, this.#options.policy, name, id, payload);
    if (judged.kind === 'refused' || !isExpired(judged.request, lapsesMs, this.#options.clock)) return judged;
    return { kind: 'refused', outcome: { status: 'expired' } };
  }

  /** On disk, then run, then its outcome on disk. What could not be begun may be asked again with the same id. */
  async #change(fit: Fit, place: Place, { lapsesMs, own }: Received, digest: string): Promise<Outcome> {
    const { command, id } = place;
    const { by } = fit.request;
    const origin = { ...(by === undefined ? {} : { by }), ...(own === undefined ? {} : { own }) };
    const begun = await this.#ledger.begin({ command, id, request: digest, ...origin });
    if (begun.kind === 'disk') return rejected('command.disk', `nothing was run: ${begun.reason}`);
    if (begun.kind === 'full') {
      return rejected(
        'command.ledger-full',
        'nothing was run: there is no room until older outcomes are seven days old',
      );
    }
    // The disk may have taken its time.
    const isLate = isExpired(fit.request, lapsesMs, this.#options.clock);
    const outcome: Outcome = isLate ? { status: 'expired' } : await this.#run(fit, place);
    const record = await this.#ledger.end(command, id, outcome);
    if (record !== undefined) this.#audit.offer(this.#ledger.epoch, [record]);
    return outcome;
  }

  /** One that takes its time is told to be executing, once. */
  async #run({ command, args, request }: Fit, place: Place): Promise<Outcome> {
    const { clock, log } = this.#options;
    const { id } = place;
    log.info('command', { command: command.name, id, by: request.by });
    const progress = clock.after(PROGRESS_MS, () => {
      this.#answerTo(place)({ status: 'executing' }, false).catch((error: unknown) => {
        log.debug('progress not sent', { command: command.name, reason: reasonOf(error) });
      });
    });
    try {
      return { status: 'succeeded', result: await command.run(args) };
    } catch (error) {
      log.warn('command failed', { command: command.name, id, reason: reasonOf(error) });
      return { status: 'failed', error: { code: 'command.failed', message: reasonOf(error) } };
    } finally {
      progress.cancel();
    }
  }
}
