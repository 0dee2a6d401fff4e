/**
 * The command desk: every message on `down/command/#` comes here. It is judged (retained, size, form, repeats, expiry,
 * policy, arguments), run, and answered on `up/response/<command>/<id>`, exactly one final answer a request. What can not
 * be answered safely (an id that is no topic level) is counted. A flood is bounded: beyond what waits, requests are dropped
 * unanswered, and QoS 1 does not bring them back.
 */
import * as v from 'valibot';
import type { Topics } from '../broker/topics.ts';
import { reasonOf } from '../fault.ts';
import type { Clock, InboundMessage, Log } from '../ports.ts';
import type { Command } from './command.ts';
import { Outcomes } from './outcomes.ts';
import { parseRequest, type Request } from './request.ts';
import { encodeResponse, type Outcome, rejected } from './response.ts';

/** Requests that are being run or answered at once. */
const AT_ONCE_MAX = 32;
/** A command and an id come from outside and become levels of our own topic. */
const LEVEL = /^[A-Za-z0-9._-]{1,64}$/;
/** MQTT 5 has no bound but the packet's; a client's own correlation data is a number or a name. */
const CORRELATION_BYTES_MAX = 256;

export interface DeskOptions {
  readonly topics: Topics;
  readonly clock: Clock;
  readonly log: Log;
  readonly commands: readonly Command[];
  /** What the configuration says of a command; undefined: nothing. */
  readonly policy: Readonly<Record<string, 'on' | 'off'>>;
  /** Resolves when the response is acknowledged; rejects when it could not be sent. */
  readonly respond: (topic: string, payload: Buffer, correlationData: Buffer | undefined) => Promise<void>;
}

export interface DeskCounters {
  readonly requests: number;
  readonly unanswerable: number;
  readonly dropped: number;
}

interface Place {
  readonly command: string;
  readonly id: string;
  readonly topic: string;
  readonly correlationData: Buffer | undefined;
}

export class CommandDesk {
  readonly #options: DeskOptions;
  readonly #commands: ReadonlyMap<string, Command>;
  readonly #outcomes = new Outcomes();
  readonly #counters = { requests: 0, unanswerable: 0, dropped: 0 };
  #atOnce = 0;

  constructor(options: DeskOptions) {
    this.#options = options;
    this.#commands = new Map(options.commands.map((command) => [command.name, command]));
  }

  get counters(): DeskCounters {
    return { ...this.#counters };
  }

  /** Names of the commands that would be run. */
  get accepted(): readonly string[] {
    return [...this.#commands.values()].filter((command) => this.#isOn(command)).map(({ name }) => name);
  }

  take(message: InboundMessage): void {
    const place = this.#placeOf(message);
    if (place === undefined) return;
    this.#counters.requests += 1;
    if (this.#atOnce >= AT_ONCE_MAX) {
      if (this.#counters.dropped === 0) this.#options.log.warn('commands are dropped: too many at once');
      this.#counters.dropped += 1;
      return;
    }
    this.#atOnce += 1;
    this.#handle(place, message)
      .catch((error: unknown) => {
        // The link went; whoever asks again with the same id gets the same answer.
        this.#options.log.debug('response not sent', { command: place.command, reason: reasonOf(error) });
      })
      .finally(() => {
        this.#atOnce -= 1;
      });
  }

  /** A command of the device's own schedule: judged and answered as one that came from outside. */
  async runScheduled(command: string, args: unknown, id: string): Promise<void> {
    const payload = Buffer.from(JSON.stringify({ v: 1, args, by: 'schedule' }), 'utf8');
    const place = { command, id, topic: this.#options.topics.response(command, id), correlationData: undefined };
    await this.#handle(place, { payload, retained: false });
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

  async #handle(place: Place, { payload, retained }: Pick<InboundMessage, 'payload' | 'retained'>): Promise<void> {
    const { command, id, topic, correlationData } = place;
    const answer = (outcome: Outcome, repeated: boolean): Promise<void> =>
      this.#options.respond(topic, encodeResponse(command, id, outcome, repeated), correlationData);
    if (retained) {
      return answer(rejected('command.retained', 'a retained command is never run: publish it without retain'), false);
    }
    const key = `${command} ${id}`;
    const recalled = this.#outcomes.begin(key, payload);
    if (recalled.kind === 'done') return answer(recalled.outcome, true);
    if (recalled.kind === 'running') return answer({ status: 'executing' }, true);
    if (recalled.kind === 'other') {
      return answer(rejected('command.id-reused', 'this id was used with another request: take a new one'), false);
    }
    const outcome = await this.#outcomeOf(command, id, payload);
    this.#outcomes.end(key, outcome);
    return answer(outcome, false);
  }

  async #outcomeOf(name: string, id: string, payload: Buffer): Promise<Outcome> {
    const { clock, log } = this.#options;
    const command = this.#commands.get(name);
    if (command === undefined) return rejected('command.unknown', `this version does not know the command ${name}`);
    if (!this.#isOn(command)) return rejected('command.off', `${name} is off on this device: device.json /commands`);
    const parsed = parseRequest(id, payload);
    if (parsed.kind === 'mistake') return { status: 'rejected', error: parsed.error };
    const { request } = parsed;
    if (isExpired(request, clock)) return { status: 'expired' };
    const args = v.safeParse(command.args, request.args);
    if (!args.success) return rejected('args.invalid', argsText(args.issues));
    log.info('command', { command: name, id, by: request.by });
    try {
      return { status: 'succeeded', result: await command.run(args.output) };
    } catch (error) {
      log.warn('command failed', { command: name, id, reason: reasonOf(error) });
      return { status: 'failed', error: { code: 'command.failed', message: reasonOf(error) } };
    }
  }

  #isOn(command: Command): boolean {
    const said = Object.hasOwn(this.#options.policy, command.name) ? this.#options.policy[command.name] : undefined;
    return said === undefined ? !command.changes : said === 'on';
  }
}

/** A clock that was never set can not judge; then only the broker's message expiry counts, which it has applied. */
function isExpired({ expiresMs }: Request, clock: Clock): boolean {
  return expiresMs !== undefined && clock.quality() !== 'unknown' && clock.wallMs() > expiresMs;
}

function argsText(issues: readonly v.BaseIssue<unknown>[]): string {
  return issues
    .slice(0, 5)
    .map((issue) => {
      const path = (issue.path ?? []).map(({ key }) => `/${String(key).slice(0, 60)}`).join('');
      if (issue.type === 'strict_object' && issue.input === undefined) return `args${path}: must be given`;
      const expected = issue.expected === 'never' ? 'left out' : (issue.expected ?? 'otherwise');
      return `args${path}: must be ${expected}, got ${issue.received.slice(0, 60)}`;
    })
    .join('; ');
}
