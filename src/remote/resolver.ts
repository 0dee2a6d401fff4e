/**
 * From revisions to configurations: reads device.json's value and an overlay together, and finds what to run when the two
 * no longer fit together. A device that has ever run well is never left without a configuration.
 */
import type { Log } from '../ports.ts';
import { type BaseFile, type Effective, hashOf, judgeValue, shadowedBy, withOverlay } from './judge.ts';
import { applyPatch } from './merge-patch.ts';
import type { RemoteStore } from './store.ts';
import type { ConfigState, Revision, Trial } from './trial.ts';

/** `previous`: what was good before. */
export type Target = { readonly kind: 'patch'; readonly patch: unknown } | { readonly kind: 'previous' };

export interface Resolved extends Effective {
  /** Pointers where device.json was edited and the overlay holds all the same. */
  readonly shadowed: readonly string[];
}

/** What the agent runs on. */
export interface Running extends Resolved {
  readonly revision: number;
  readonly trial: Trial | undefined;
}

export class Resolver {
  readonly #store: RemoteStore;
  readonly #log: Log;
  #base: BaseFile | undefined;
  /** What ran last stands in for device.json: nothing is laid over it. */
  isStandIn = false;
  /** What is good could not be run. */
  conflict = false;

  constructor(store: RemoteStore, log: Log) {
    this.#store = store;
    this.#log = log;
  }

  /** device.json. */
  get base(): BaseFile {
    if (this.#base === undefined) throw new Error('the configuration was not opened');
    return this.#base;
  }

  set base(base: BaseFile) {
    this.#base = base;
  }

  /** What is to be run. Undefined: what is on trial does not fit device.json. */
  async running({ trial, good }: ConfigState): Promise<Running | undefined> {
    if (trial !== null) {
      const tried = this.isStandIn ? undefined : await this.read(trial);
      if (tried === undefined) return undefined;
      this.conflict = false;
      return { ...tried, revision: trial.revision, trial };
    }
    if (this.isStandIn) return { ...this.alone(), revision: good.revision, trial: undefined };
    // Where the state is lost nobody knows what device.json was overlaid with; what ran last does.
    const sound = this.#store.lost ? undefined : await this.read(good);
    this.conflict = sound === undefined;
    const resolved = sound ?? (await this.fallback());
    return { ...resolved, revision: good.revision, trial: undefined };
  }

  /** device.json with nothing over it. */
  alone(): Resolved {
    return { ...this.base, hash: hashOf(this.base.config), shadowed: [] };
  }

  /** Undefined: the overlay is damaged, or does not fit device.json any more. */
  async read(revision: Revision): Promise<Resolved | undefined> {
    const { base } = this;
    if (revision.file === null) return this.alone();
    const overlay = await this.#store.overlay(revision);
    if (overlay === undefined) return undefined;
    const judged = judgeValue(base, withOverlay(base, overlay.patch));
    return judged.kind === 'valid' ? { ...judged.effective, shadowed: shadowedBy(base, overlay) } : undefined;
  }

  /** Of what is good; of device.json alone where that can not be read. */
  async goodHash({ good }: ConfigState): Promise<string> {
    return (await this.read(good))?.hash ?? hashOf(this.base.config);
  }

  /** In place of what is good and can not be run: what ran last, else device.json alone. */
  async fallback(): Promise<Resolved> {
    const last = await this.#store.last();
    const judged = last === undefined ? undefined : judgeValue(this.base, last);
    const isLast = judged?.kind === 'valid';
    this.#log.error('device.json and the remote changes do not fit together', {
      running: isLast ? 'what ran last' : 'device.json alone',
    });
    return isLast ? { ...judged.effective, shadowed: [] } : this.alone();
  }

  /** What a change is to lead to. Undefined: there was nothing before. */
  async target(target: Target, { good, previous }: ConfigState): Promise<unknown> {
    if (target.kind === 'previous') {
      const before = previous === null ? undefined : await this.#store.overlay(previous);
      return before === undefined ? undefined : withOverlay(this.base, before.patch);
    }
    const overlay = await this.#store.overlay(good);
    return applyPatch(withOverlay(this.base, overlay?.patch ?? {}), target.patch);
  }
}
