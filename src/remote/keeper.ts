/**
 * Holds the state of trial.ts, and puts each step on the disk before anything acts on it. A step that takes a trial back
 * happens also when the disk takes nothing: a device must not stay on a configuration that nobody has confirmed.
 */
import { reasonOf, systemCodeOf } from '../fault.ts';
import type { Clock, Log } from '../ports.ts';
import type { RemoteStore } from './store.ts';
import { type ConfigInput, type ConfigState, type Entry, next, NO_REMOTE, type Stamp } from './trial.ts';

export interface KeeperOptions {
  readonly store: RemoteStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly onSettled: (entry: Entry) => void;
}

export class Keeper {
  readonly #options: KeeperOptions;
  #state: ConfigState = NO_REMOTE;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  get state(): ConfigState {
    return this.#state;
  }

  /** Once, at the start of the process: what is found on trial goes on or goes back, and only then is anything cleaned up. */
  async start(now: { readonly boot: string; readonly nowMs: number }, hash: () => Promise<string>): Promise<void> {
    const { store, log } = this.#options;
    await this.#open();
    const isWhole = !store.damaged;
    const { trial } = this.#state;
    if (trial !== null) {
      const readable = (await store.overlay(trial)) !== undefined;
      const stamp = this.stamp(await hash());
      try {
        await this.step({ kind: 'start', ...now, readable, stamp });
      } catch (error) {
        // Starts that are not counted could go on for ever.
        if (systemCodeOf(error) === undefined) throw error;
        await this.step({ kind: 'revert', why: `its start could not be written down: ${reasonOf(error)}`, stamp });
      }
      if (this.#state.trial !== null) log.warn('configuration on trial: it goes on', { revision: trial.revision });
    }
    // A state that can not be read now may name what neither its older copy nor its absence does.
    if (!isWhole) return;
    await store.clean(this.#state).catch((error: unknown) => {
      log.warn('remote configuration: old overlays stay', { reason: reasonOf(error) });
    });
  }

  /** What another process has put there since: `fieldpost config drop`, beside the agent. */
  async refresh(): Promise<void> {
    const { store, log } = this.#options;
    const found = await store.look();
    if (found === 'foreign') await this.#open();
    if (found !== 'wrong') return;
    // Of a rejected one, whoever asked for it was told that nothing has changed.
    await store.keep(this.#state).catch((error: unknown) => {
      log.error('configuration: its state on disk is not the one that holds', { reason: reasonOf(error) });
    });
  }

  /** The entry of what the input has settled. Rejects when the disk does not take it; then nothing has changed. */
  async step(input: ConfigInput): Promise<Entry | undefined> {
    const { store, log, onSettled } = this.#options;
    const { state, effects } = next(this.#state, input);
    if (effects.length === 0) return undefined;
    const isBack = effects.some(({ kind }) => kind === 'switch') && state.trial === null;
    try {
      await store.keep(state);
    } catch (error) {
      if (!isBack) {
        // It may be there all the same.
        await store.keep(this.#state).catch(() => undefined);
        throw error;
      }
      log.error('configuration: its state is not on disk', { reason: reasonOf(error) });
    }
    this.#state = state;
    const answer = effects.find((effect) => effect.kind === 'answer');
    if (answer === undefined) return undefined;
    const { entry } = answer;
    const { revision, outcome, why } = entry;
    log[outcome === 'confirmed' ? 'info' : 'warn'](`configuration ${outcome}`, { revision, reason: why });
    onSettled(entry);
    return entry;
  }

  stamp(hash: string): Stamp {
    const { clock } = this.#options;
    const at = clock.quality() === 'unknown' ? undefined : new Date(clock.wallMs()).toISOString();
    return { at, hash };
  }

  async #open(): Promise<void> {
    this.#state = await this.#options.store.open();
  }

  /** One at a time, in order. */
  inTurn<Result>(run: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(run);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}
