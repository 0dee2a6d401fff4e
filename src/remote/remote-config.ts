/**
 * The configuration that the device runs, and the one owner of changes to it: performs what trial.ts decides, on the disk
 * first. It outlives the agents that run on it: a change is run by stopping the agent and starting it anew in this process,
 * which `onSwitch` asks for. One change at a time; whatever was not confirmed is gone after the next boot.
 */
import { reasonOf } from '../fault.ts';
import { type Begun, type Change, type Probation, type Settled, trialOf } from './change.ts';
import { Deadline } from './deadline.ts';
import { describe, tellReadAgain, withoutToken } from './description.ts';
import { type BaseFile, changedSensors, overlayOf } from './judge.ts';
import { Keeper } from './keeper.ts';
import { checkLines, type SensorFact } from './local-check.ts';
import { isEqual } from './merge-patch.ts';
import type { RemoteConfigOptions } from './options.ts';
import { type Plan, planOf, refused } from './plan.ts';
import { Resolver, type Running } from './resolver.ts';
import { RemoteStore } from './store.ts';
import { type ConfigInput, type Entry, leftMs, type Stamp } from './trial.ts';

const TOKEN_BYTES = 16;
const NO_TRIAL = refused('config.no-trial', 'nothing is on trial');
const ANEW = 'the agent is about to start anew on what holds: ask again then';

export class RemoteConfig {
  readonly #options: RemoteConfigOptions;
  readonly #store: RemoteStore;
  readonly #resolver: Resolver;
  readonly #keeper: Keeper;
  #running: Running | undefined;
  #baseInvalid = false;
  readonly #deadline: Deadline;
  /** What runs holds no more, and ends soon: it is the trial that was taken back, or device.json is another one. */
  #ending: 'trial' | 'file' | undefined;
  /** Changes that were asked for and are not on disk yet. */
  #beginning = 0;
  /** What the device sees for itself of the trial; undefined: nothing wrong. */
  #check: Promise<string | undefined> = Promise.resolve(undefined);
  /** What became of the connection of the agent that runs. */
  #link: (() => string) | undefined;
  /** What held before device.json was read again, until an agent runs on the new one. */
  #before: { readonly base: BaseFile; readonly isStandIn: boolean } | undefined;
  readonly #waiting = new Map<string, (entry: Entry) => void>();

  constructor(options: RemoteConfigOptions) {
    this.#options = options;
    this.#store = new RemoteStore(options.disk, options.log);
    this.#resolver = new Resolver(this.#store, options.log);
    this.#keeper = new Keeper({
      ...options,
      store: this.#store,
      onSettled: (entry) => {
        // What is taken back from under the agent that runs on it is told by the next one.
        if (entry.outcome === 'reverted' && this.#running?.revision === entry.revision) {
          this.#ending = 'trial';
          return;
        }
        this.#waiting.get(`${entry.command} ${entry.id}`)?.(entry);
        this.#waiting.delete(`${entry.command} ${entry.id}`);
      },
    });
    this.#deadline = new Deadline({ ...options, left: () => this.#leftMs, look: () => this.#look() });
  }

  /**
   * Once, at the start of the process: what is found on trial goes on or goes back. `isStandIn`: device.json could not be
   * used, and `base` is what ran last, which has the overlay in it: nothing is laid over it, and nothing changed by command.
   */
  async open(base: BaseFile, isStandIn: boolean): Promise<void> {
    this.#resolver.base = base;
    this.#resolver.isStandIn = isStandIn;
    this.#baseInvalid = isStandIn;
    const { boot } = this.#options;
    const now = { boot: boot.id, nowMs: boot.nowMs() };
    await this.#keeper.start(now, () => this.#resolver.goodHash(this.#keeper.state));
    this.#deadline.watch();
  }

  /** What is to be run now. */
  take(): Promise<Running> {
    return this.#keeper.inTurn(async () => {
      this.#running = await this.#resolve();
      this.#ending = undefined;
      this.#link = undefined;
      this.#check = Promise.resolve(undefined);
      return this.#running;
    });
  }

  get running(): Running {
    if (this.#running === undefined) throw new Error('no configuration was taken');
    return this.#running;
  }

  /** Why nothing else that can cut the device off may begin, or undefined. */
  get busy(): string | undefined {
    return this.#onTrial ?? (this.#beginning > 0 ? 'a change of the configuration' : this.#anew);
  }

  get #onTrial(): string | undefined {
    const { trial } = this.#keeper.state;
    return trial === null ? undefined : `the configuration ${trial.revision}`;
  }

  get #anew(): string | undefined {
    return this.#ending === undefined ? undefined : 'a new start of the agent';
  }

  /** The agent runs on a trial that nobody has confirmed, be it taken back already. */
  get #runsOnTrial(): boolean {
    return this.running.trial !== undefined && (this.#keeper.state.trial !== null || this.#ending === 'trial');
  }

  /** No events leave while whoever is at the other end of the wire may be the wrong one. */
  get eventsHeld(): string | undefined {
    return this.#runsOnTrial && this.running.trial?.mode === 'operator' ? 'config.trial' : undefined;
  }

  get degraded(): readonly string[] {
    const words: string[] = [];
    if (this.#baseInvalid) words.push('config.invalid');
    if (this.#resolver.conflict) words.push('config.base-conflict');
    if (this.#store.damaged) words.push('config.damaged');
    return words;
  }

  /** For status and info. */
  get report(): Readonly<Record<string, unknown>> {
    const { revision, shadowed } = this.running;
    return {
      revision,
      phase: this.#runsOnTrial ? 'probation' : 'confirmed',
      ...(shadowed.length === 0 ? {} : { shadowed }),
    };
  }

  /** Of the trial that the agent runs on: what proves that its link works both ways. */
  get probation(): Probation | undefined {
    const { trial } = this.#keeper.state;
    if (trial?.mode !== 'operator' || this.#running?.trial?.revision !== trial.revision) return undefined;
    const left = Math.max(0, leftMs(trial, this.#options.boot.nowMs()));
    return { asked: trial, revision: trial.revision, token: trial.token, leftMs: left };
  }

  /** What is known of a change that a command asked for. */
  outcomeOf(command: string, id: string): Entry | 'open' | undefined {
    const { trial, history } = this.#keeper.state;
    if (trial?.command === command && trial.id === id) return 'open';
    return history.findLast((entry) => entry.command === command && entry.id === id);
  }

  /**
   * Resolves when the change is confirmed, or taken back before the agent ran on it. What is taken back later ends this
   * agent, and the next one tells.
   */
  settled(command: string, id: string): Promise<Entry> {
    return new Promise((resolve) => {
      this.#waiting.set(`${command} ${id}`, resolve);
    });
  }

  get history(): readonly Omit<Entry, 'token'>[] {
    return this.#keeper.state.history.map(withoutToken);
  }

  async describe(): Promise<Readonly<Record<string, unknown>>> {
    const { trial, good } = this.#keeper.state;
    const overlay = await this.#store.overlay(trial ?? good);
    return describe(this.running, this.report, this.#resolver.base, overlay?.patch ?? {});
  }

  /** A dry run. */
  plan(patch: unknown): Promise<Plan> {
    return this.#keeper.inTurn(async () => {
      if (this.#anew !== undefined) return refused('config.busy', ANEW);
      const target = await this.#resolver.target({ kind: 'patch', patch }, this.#keeper.state);
      return planOf(this.#resolver.base, this.running.value, target);
    });
  }

  /** On disk when it resolves; run once `apply` is called. */
  begin(change: Change): Promise<Begun> {
    this.#beginning += 1;
    return this.#keeper.inTurn(async () => {
      try {
        return await this.#begin(change);
      } catch (error) {
        return refused('config.disk', `it could not be written down: ${reasonOf(error)}`);
      } finally {
        this.#beginning -= 1;
      }
    });
  }

  /** Runs what holds, unless that is what runs. */
  apply(): void {
    const { trial, good } = this.#keeper.state;
    if (this.#running !== undefined && this.#running.revision !== (trial ?? good).revision) this.#options.onSwitch();
  }

  /** The configuration on trial is good from now on. Waits for what the device itself has to say. */
  async confirm(token: string): Promise<Settled> {
    const { trial, history } = this.#keeper.state;
    const known = history.findLast((entry) => entry.token === token);
    if (known !== undefined) return { kind: 'settled', entry: known, isNow: false };
    if (trial?.mode !== 'operator') return NO_TRIAL;
    if (trial.token !== token || this.#running?.trial?.revision !== trial.revision) {
      return refused('config.token', 'this is not the token of what is on trial');
    }
    const fault = await this.#check;
    return this.#keeper.inTurn(async () => {
      await this.#keeper.step({ kind: 'tick', nowMs: this.#options.boot.nowMs(), stamp: await this.#goodStamp() });
      const input: ConfigInput =
        fault === undefined
          ? { kind: 'confirm', token, stamp: this.#keeper.stamp(this.running.hash) }
          : { kind: 'revert', why: fault, stamp: await this.#goodStamp() };
      const entry =
        (await this.#keeper.step(input)) ?? this.#keeper.state.history.findLast((each) => each.token === token);
      if (entry === undefined) return NO_TRIAL;
      if (entry.outcome === 'confirmed') await this.#remember();
      return { kind: 'settled', entry, isNow: true };
    });
  }

  /** Takes the trial back; `apply` then runs what was good. */
  revert(why: string): Promise<Settled> {
    return this.#keeper.inTurn(async () => {
      const entry = await this.#keeper.step({ kind: 'revert', why, stamp: await this.#goodStamp() });
      if (entry === undefined) return NO_TRIAL;
      return { kind: 'settled', entry, isNow: true };
    });
  }

  /** The agent runs on what was taken. Never rejects. */
  async started(facts: () => readonly SensorFact[], link?: () => string): Promise<void> {
    this.#link = link;
    const { clock, log } = this.#options;
    const { trial, value } = this.running;
    // Unless it was read again meanwhile.
    if (this.#ending === undefined) this.#before = undefined;
    try {
      if (trial === undefined) return await this.#keeper.inTurn(() => this.#remember());
      const good = await this.#resolver.read(this.#keeper.state.good);
      const ids = trial.checked ? changedSensors(good?.value ?? this.#resolver.base.value, value) : [];
      this.#check = checkLines(ids, facts, clock);
      const fault = await this.#check;
      // Another agent runs by now.
      if (this.#running?.trial !== trial) return;
      if (fault !== undefined) await this.#goBack(fault);
      else if (trial.mode === 'local') await this.#keeper.inTurn(() => this.#sound());
    } catch (error) {
      log.error('configuration on trial: not judged', { reason: reasonOf(error) });
    }
  }

  /** device.json was edited, or its overlay dropped, by whoever stands at the device. Never rejects. */
  async reload(): Promise<void> {
    const { log, readBase } = this.#options;
    await this.#keeper
      .inTurn(async () => {
        const read = readBase();
        const problems = read.kind === 'invalid' ? read.text.trim() : await this.#problemOf(read);
        this.#baseInvalid = problems !== undefined;
        if (read.kind === 'valid' && problems === undefined) return this.#use(read);
        log.error('device.json is not valid or can not be run: the configuration that runs stays', { problems });
      })
      .catch((error: unknown) => log.error('device.json not read again', { reason: reasonOf(error) }));
  }

  /**
   * No agent could be started on what was taken. Resolves with whether there is something else to be taken: in the place of what
   * was on trial, or of a device.json that was read again under an agent that ran.
   */
  async startFailed(reason: string): Promise<boolean> {
    if (this.running.trial !== undefined) {
      await this.revert(`the agent could not be started on it: ${reason}`);
      return true;
    }
    const before = this.#before;
    if (before === undefined) return false;
    this.#before = undefined;
    this.#baseInvalid = true;
    this.#resolver.base = before.base;
    this.#resolver.isStandIn = before.isStandIn;
    this.#options.log.error('device.json can not be run: what ran before it was read again is run', { reason });
    return true;
  }

  /** A file that says the same starts no agent. */
  async #problemOf({ value, config }: BaseFile): Promise<string | undefined> {
    const isSame = !this.#resolver.isStandIn && isEqual(value, this.#resolver.base.value);
    return isSame ? undefined : this.#options.startProblem(config, this.running.config);
  }

  async #use(read: BaseFile): Promise<void> {
    const { log, onSwitch } = this.#options;
    await this.#refresh();
    const { base, isStandIn } = this.#resolver;
    this.#resolver.base = read;
    this.#resolver.isStandIn = false;
    const before = this.#running;
    const after = await this.#resolve();
    const isSame = before?.revision === after.revision && isEqual(before.value, after.value);
    tellReadAgain(log, isSame, after);
    if (isSame) {
      this.#running = { ...before, shadowed: after.shadowed };
      return;
    }
    this.#before ??= { base, isStandIn };
    this.#ending ??= 'file';
    onSwitch();
  }

  async #begin(change: Change): Promise<Begun> {
    const { boot, chance, log } = this.#options;
    if (this.#resolver.isStandIn)
      return refused('config.invalid', 'device.json is not valid: mend it first, what ran last is run');
    await this.#refresh();
    const { good, seq } = this.#keeper.state;
    if (this.#onTrial !== undefined)
      return refused('config.busy', `${this.#onTrial} is on trial: confirm or cancel that first`);
    // What would be judged here is the step from what ends anyway: the wire might be cut without anybody to confirm it.
    if (this.#anew !== undefined) return refused('config.busy', ANEW);
    if (change.base !== good.revision) {
      return refused('config.conflict', `base must be ${good.revision}, the revision that holds, got ${change.base}`);
    }
    const base = this.#resolver.base;
    const target = await this.#resolver.target(change.target, this.#keeper.state);
    if (target === undefined) return refused('config.no-previous', 'there is no earlier revision to go back to');
    const plan = planOf(base, this.running.value, target);
    if (plan.kind === 'refused') return plan;
    // Where the files do not say what runs, the same is written down once more: then they do.
    const isWritten = !this.#resolver.conflict && !this.#store.damaged;
    if (plan.changed.length === 0 && isWritten)
      return { kind: 'same', revision: good.revision, hash: this.running.hash };
    const problem = await this.#options.startProblem(base.config, this.running.config);
    if (problem !== undefined) return refused('config.disk', `the agent could not be started again: ${problem}`);
    const revision = await this.#store.putOverlay(seq + 1, change.id, overlayOf(base, plan.patch));
    const mode = plan.wire || change.trial ? 'operator' : 'local';
    const token = chance.bytes(TOKEN_BYTES).toString('hex');
    const trial = trialOf(change, revision, mode, { token, boot: boot.id, sinceMs: boot.nowMs() });
    await this.#keeper.step({ kind: 'begin', trial });
    log.info('configuration on trial', { revision: trial.revision, id: change.id, confirmed_by: mode });
    this.#deadline.watch();
    return { kind: 'begun', trial, changed: plan.changed };
  }

  async #resolve(): Promise<Running> {
    const running = await this.#resolver.running(this.#keeper.state);
    if (running !== undefined) return running;
    await this.#keeper.step({ kind: 'revert', why: 'it does not fit device.json', stamp: await this.#goodStamp() });
    return this.#resolve();
  }

  async #sound(): Promise<void> {
    await this.#keeper.step({ kind: 'sound', stamp: this.#keeper.stamp(this.running.hash) });
    await this.#remember();
  }

  /** What is good is what a device falls back to when its files no longer fit together. */
  async #remember(): Promise<void> {
    if (this.#resolver.conflict || this.#keeper.state.trial !== null) return;
    await this.#store.keepLast(this.running.value).catch((error: unknown) => {
      this.#options.log.warn('configuration: what runs is not remembered', { reason: reasonOf(error) });
    });
  }

  async #goBack(why: string): Promise<void> {
    await this.revert(why);
    this.apply();
  }

  /** Another process may have put a trial there, or an older copy had one: it ends in time like any other. */
  async #refresh(): Promise<void> {
    await this.#keeper.refresh();
    this.#deadline.watch();
  }

  get #leftMs(): number | undefined {
    const { trial } = this.#keeper.state;
    return trial === null ? undefined : leftMs(trial, this.#options.boot.nowMs());
  }

  #look(): Promise<void> {
    return this.#keeper.inTurn(async () => {
      const nowMs = this.#options.boot.nowMs();
      const entry = await this.#keeper.step({
        kind: 'tick',
        nowMs,
        stamp: await this.#goodStamp(),
        link: this.#link?.(),
      });
      if (entry !== undefined) this.apply();
    });
  }

  async #goodStamp(): Promise<Stamp> {
    return this.#keeper.stamp(await this.#resolver.goodHash(this.#keeper.state));
  }
}
