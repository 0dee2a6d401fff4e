/**
 * `config.set`, `config.rollback`, `config.confirm`, `config.cancel`: changes of the configuration that can not cut the device
 * off for good. A change is on disk before anything else; then the agent starts anew on it, and the run that asked for it
 * goes on in the new agent, or in a new process, as `resume`. The token of a trial is told once the new link has proved that
 * it takes commands, and nowhere else; who knows it has heard the device over that link.
 */
import * as v from 'valibot';
import { durationText, parseDuration } from '../config/units.ts';
import type { Clock } from '../ports.ts';
import type { Begun, Settled } from '../remote/change.ts';
import type { RemoteConfig } from '../remote/remote-config.ts';
import type { Entry } from '../remote/trial.ts';
import { count, text } from './answers.ts';
import { wholeNumber } from './args.ts';
import { type Command, CommandFailure, defineCommand, type Document, type RunContext } from './command.ts';

export type ConfigChanges = Pick<
  RemoteConfig,
  'apply' | 'begin' | 'busy' | 'confirm' | 'outcomeOf' | 'probation' | 'revert' | 'settled'
>;

export interface ConfigChangeOptions {
  readonly clock: Clock;
  readonly changes: ConfigChanges;
  /** What else is on trial; undefined: nothing. */
  readonly busy: () => string | undefined;
  /** The trial that this agent runs on is confirmed, and whoever did it has the answer: events may leave. */
  readonly onConfirmed: () => void;
}

const SECOND = 1000;
const WITHIN_MIN_MS = 10 * SECOND;
const WITHIN_MAX_MS = 3600 * SECOND;
const WITHIN_DEFAULT_MS = 600 * SECOND;
/** Time for a message to leave before the agent goes on without, milliseconds. */
const ANSWER_MS = 10_000;

const within = v.optional(
  v.pipe(
    v.string(),
    v.description(
      `Time to confirm, ${durationText(WITHIN_MIN_MS)} to ${durationText(WITHIN_MAX_MS)}; default ${durationText(WITHIN_DEFAULT_MS)}.`,
    ),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const ms = parseDuration(dataset.value);
      if (ms !== undefined && ms >= WITHIN_MIN_MS && ms <= WITHIN_MAX_MS) return ms;
      addIssue({ expected: `a duration, ${durationText(WITHIN_MIN_MS)} to ${durationText(WITHIN_MAX_MS)}` });
      return NEVER;
    }),
  ),
  durationText(WITHIN_DEFAULT_MS),
);

const base = v.pipe(
  wholeNumber(Number.MAX_SAFE_INTEGER),
  v.description('The revision that holds now, from status or config.get: another one and nothing is done.'),
);

const flag = (description: string, otherwise: boolean) =>
  v.optional(v.pipe(v.boolean(), v.description(`${description} Default ${otherwise}.`)), otherwise);

const check = flag('Whether the lines of changed sensors must open, or it is taken back.', true);

const changeResult = v.strictObject({
  revision: count('The revision that holds now.'),
  hash: text('sha256 of the configuration that holds now, base64url.'),
});

/** Of a change that was refused before anything was done. */
const REFUSALS = {
  'config.busy':
    'Another change is on trial: confirm or cancel it first. Or the agent is about to start anew on what holds: ask again then.',
  'config.conflict': '`base` is not the revision that holds.',
  'config.not-allowed': 'device.json does not let commands change this; the message names the places.',
  'config.invalid': 'The configuration would not be valid; the message has every problem with its place.',
  'config.disk':
    'It could not be written down, or no agent could be started again on the disk as it is; the message says why.',
};

const OUTCOMES = {
  'config.reverted': 'It was taken back, and what held before holds again; the message says why.',
  'config.not-begun': 'The agent ended before anything was changed.',
};

const NO_TRIAL = { 'config.no-trial': 'Nothing is on trial.' };

export class ConfigChange {
  readonly #options: ConfigChangeOptions;
  /** Of the change on trial: who asked for it. */
  readonly #asking = new Map<string, RunContext>();

  constructor(options: ConfigChangeOptions) {
    this.#options = options;
  }

  get commands(): readonly Command[] {
    return [this.#set(), this.#confirm(), this.#cancel(), this.#rollback()];
  }

  /** The link is up and takes commands: what is on trial may be confirmed over it. */
  linkReady(): void {
    const { changes, clock } = this.#options;
    const { probation } = changes;
    if (probation === undefined) return;
    const { command, id } = probation.asked;
    const until = new Date(clock.wallMs() + probation.leftMs).toISOString();
    const members = { phase: 'probation', revision: probation.revision, token: probation.token, revert_at: until };
    const told = this.#asking.get(`${command} ${id}`)?.progress(members);
    // It never rejects; whoever did not hear it is told again over the next link.
    told?.catch(() => undefined);
  }

  #set(): Command {
    return defineCommand({
      name: 'config.set',
      changes: true,
      dangerous: true,
      summary:
        'Changes the configuration by a JSON merge patch. What can cut the wire is on trial until config.confirm brings the token, else it is taken back.',
      args: v.strictObject({
        base,
        patch: v.pipe(
          v.looseObject({}),
          v.description('JSON merge patch (RFC 7396) of keys of device.json; null takes a key away.'),
        ),
        within,
        trial: flag('On trial although it can not cut the wire.', false),
        check,
      }),
      result: changeResult,
      errors: { ...REFUSALS, ...OUTCOMES },
      run: async (args, context) => {
        const { patch, base: revision, within: withinMs, trial, check: isChecked } = args;
        const target = { kind: 'patch', patch } as const;
        return this.#begin('config.set', context, { base: revision, target, withinMs, trial, check: isChecked });
      },
      resume: (context) => this.#resume('config.set', context),
    });
  }

  #rollback(): Command {
    return defineCommand({
      name: 'config.rollback',
      changes: true,
      dangerous: true,
      summary:
        'Goes back to what was good before the revision that holds; on trial as any change that can cut the wire.',
      args: v.strictObject({ base, within, check }),
      result: changeResult,
      errors: { 'config.no-previous': 'There is no earlier revision.', ...REFUSALS, ...OUTCOMES },
      run: async ({ base: revision, within: withinMs, check: isChecked }, context) => {
        const target = { kind: 'previous' } as const;
        return this.#begin('config.rollback', context, {
          base: revision,
          target,
          withinMs,
          trial: false,
          check: isChecked,
        });
      },
      resume: (context) => this.#resume('config.rollback', context),
    });
  }

  #confirm(): Command {
    const { changes, onConfirmed } = this.#options;
    return defineCommand({
      name: 'config.confirm',
      changes: true,
      summary: 'Makes the configuration on trial the one that holds. The token was told over the link that it made.',
      args: v.strictObject({
        token: v.pipe(
          v.string(),
          v.maxLength(128),
          v.description('As the change\'s response of phase "probation" has it.'),
        ),
      }),
      result: changeResult,
      errors: {
        ...NO_TRIAL,
        'config.token': 'Not the token of what is on trial.',
        'config.reverted': OUTCOMES['config.reverted'],
      },
      run: async ({ token }, context) => {
        const settled = await changes.confirm(token);
        const isNow = settled.kind === 'settled' && settled.isNow;
        const isGood = settled.kind === 'settled' && settled.entry.outcome === 'confirmed';
        if (isNow) this.#once(context, isGood ? onConfirmed : () => changes.apply());
        return resultOf(entryOf(settled));
      },
    });
  }

  #cancel(): Command {
    const { changes } = this.#options;
    return defineCommand({
      name: 'config.cancel',
      changes: true,
      summary: 'Takes back the configuration on trial at once.',
      args: v.strictObject({}),
      result: v.strictObject({ reverted: count('The revision that was taken back.') }),
      errors: NO_TRIAL,
      run: async (_args, context) => {
        const { revision } = entryOf(await changes.revert('cancelled by command'));
        this.#once(context, () => changes.apply());
        return { reverted: revision };
      },
    });
  }

  async #begin(
    command: string,
    context: RunContext,
    asked: Omit<Parameters<ConfigChanges['begin']>[0], 'command' | 'id' | 'by'>,
  ): Promise<Document> {
    const { changes, clock } = this.#options;
    const { id, by } = context;
    const other = this.#options.busy();
    if (other !== undefined) throw new CommandFailure('config.busy', `${other} is on trial`, 'rejected');
    const begun: Begun = await changes.begin({ ...asked, command, id, ...(by === undefined ? {} : { by }) });
    if (begun.kind === 'refused') throw new CommandFailure(begun.code, begun.message, 'rejected');
    if (begun.kind === 'same') return { revision: begun.revision, hash: begun.hash };
    const { trial, changed } = begun;
    const until = new Date(clock.wallMs() + trial.withinMs).toISOString();
    const settled = this.#wait(command, context);
    // It may be taken back while the message below is on its way.
    settled.catch(() => undefined);
    const told = context.progress({ phase: 'applying', revision: trial.revision, changed, revert_at: until });
    await Promise.race([told, this.#time()]);
    changes.apply();
    return settled;
  }

  /** Settles here when it is confirmed on the agent that runs, or taken back before it; else in the next agent, as a resumed run. */
  async #wait(command: string, context: RunContext): Promise<Document> {
    this.#asking.set(`${command} ${context.id}`, context);
    return resultOf(await this.#options.changes.settled(command, context.id));
  }

  async #resume(command: string, context: RunContext): Promise<Document> {
    const known = this.#options.changes.outcomeOf(command, context.id);
    if (known === 'open') return this.#wait(command, context);
    if (known === undefined) throw new CommandFailure('config.not-begun', OUTCOMES['config.not-begun']);
    return resultOf(known);
  }

  /** Once the answer has left; without it if that takes too long. */
  #once({ afterAnswer }: RunContext, run: () => void): void {
    let isOver = false;
    const end = (): void => {
      if (!isOver) run();
      isOver = true;
    };
    afterAnswer(end);
    this.#options.clock.after(ANSWER_MS, end);
  }

  #time(): Promise<void> {
    return new Promise((resolve) => {
      this.#options.clock.after(ANSWER_MS, resolve);
    });
  }
}

function entryOf(settled: Settled): Entry {
  if (settled.kind === 'refused') throw new CommandFailure(settled.code, settled.message, 'rejected');
  return settled.entry;
}

function resultOf({ outcome, why, revision, hash }: Entry): Document {
  if (outcome === 'reverted')
    throw new CommandFailure('config.reverted', `revision ${revision} was taken back: ${why}`);
  return { revision, hash };
}
