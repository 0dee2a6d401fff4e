/**
 * The broker session that is ours: what the ledger knows of it, and whether that may be trusted still. One that is disowned
 * is void from that moment on, in memory at once and on disk as soon as the disk takes it, so that a crash can not bring the
 * trust back; the next CONNECT begins another one.
 */
import { reasonOf } from '../fault.ts';
import type { Clock, Log } from '../ports.ts';
import type { Link, LinkTarget } from '../ports-broker.ts';
import {
  type Disowned,
  type KnownSession,
  planSession,
  type SessionKey,
  type SessionLife,
  type SessionPlan,
} from './session-plan.ts';
import { judgeSession, plantWitnesses, witnessesOf } from './witness.ts';

/** Where session marks are kept: the ledger. */
export interface SessionStore {
  readonly session: KnownSession | undefined;
  /** The life of the ledger whose events are to be sent now. Another one a moment later. */
  readonly life: SessionLife;
  /** `forgotten`: the broker may not know what was handed over in older sessions. */
  markSession(session: KnownSession, forgotten: boolean): Promise<void>;
}

export interface OwnSessionOptions {
  readonly store: SessionStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly topicRoot: string;
  readonly target: Pick<LinkTarget, 'protocol' | 'connectTimeoutMs'>;
}

export class OwnSession {
  readonly #options: OwnSessionOptions;
  #disowned: Disowned | undefined;
  /** What the last plan knew of. */
  #planned: Disowned | undefined;
  #settled: Promise<void> = Promise.resolve();
  /** Why the last mark was not written: told once. */
  #told: string | undefined;

  constructor(options: OwnSessionOptions) {
    this.#options = options;
  }

  /** Resolves once the disk has taken, or refused, what was to be marked beside the connection. */
  get settled(): Promise<void> {
    return this.#settled;
  }

  plan(key: SessionKey): SessionPlan {
    this.#planned = this.#disowned;
    return planSession(this.#options.store.session, key, this.#disowned);
  }

  /** Undefined: the mark is on disk. Otherwise why it is not. */
  async mark(mark: KnownSession, forgotten = false): Promise<string | undefined> {
    try {
      await this.#options.store.markSession(mark, forgotten);
    } catch (error) {
      const reason = reasonOf(error);
      const { log } = this.#options;
      if (reason === this.#told) log.debug('broker session: events are still held back', { reason });
      else log.error('broker session: events are held back', { reason });
      this.#told = reason;
      return reason;
    }
    this.#told = undefined;
    // One that was disowned while its mark was written stays so.
    if (mark.phase === 'open' && this.#disowned === this.#planned) this.#disowned = undefined;
    return undefined;
  }

  /** As `mark`; the next attempt to connect waits for it. */
  markBeside(mark: KnownSession): Promise<string | undefined> {
    return this.#beside(this.mark(mark));
  }

  /**
   * As `markBeside`, once CONNACK has shown that the session is another one than the disk says. Where the disk refuses it, what
   * the broker holds now would be found present by the next CONNECT, under the mark of the one that is gone: it is void.
   */
  begin(mark: KnownSession, forgotten: boolean): Promise<string | undefined> {
    const written = this.mark(mark, forgotten).then((failure) => {
      if (failure !== undefined) this.#distrust({ broker: mark.broker, why: 'it could not be marked', forgotten });
      return failure;
    });
    return this.#beside(written);
  }

  disown(disowned: Omit<Disowned, 'broker'>): void {
    const known = this.#options.store.session;
    if (known === undefined) return;
    this.#distrust({ broker: known.broker, ...disowned });
    const mark = { ...known, generation: known.generation + 1, phase: 'opening' } as const;
    this.#settled = this.mark(mark).then(() => undefined);
  }

  #distrust({ broker, why, forgotten }: Disowned): void {
    this.#disowned = { broker, why, forgotten: forgotten || this.#disowned?.forgotten === true };
  }

  #beside(written: Promise<string | undefined>): Promise<string | undefined> {
    this.#settled = written.then(() => undefined);
    return written;
  }

  /** Whether another client has made the session of this link, which is for `life`. `isNew`: the link has begun it. */
  async isForeign(link: Link, life: SessionLife, generation: number, isNew: boolean): Promise<boolean> {
    const { topicRoot, target, log, clock } = this.#options;
    if (target.protocol !== 5) return false;
    const witnesses = witnessesOf(topicRoot, life.epoch, generation);
    const late = clock.after(target.connectTimeoutMs, () => {
      link.destroy({ word: 'broker.silent', text: 'no SUBACK or UNSUBACK within the time allowed' });
    });
    try {
      // One that is there although we have just thrown it away was made by somebody in between.
      const isOther = isNew ? link.terms.sessionPresent : (await judgeSession(link, witnesses)) === 'foreign';
      if (isNew && !isOther) await plantWitnesses(link, witnesses);
      return isOther;
    } catch (error) {
      // An access rule that refuses the witnesses leaves us as wise as before; a link that ended is told as such.
      log.debug('broker session: can not be judged', { reason: reasonOf(error) });
      return false;
    } finally {
      late.cancel();
    }
  }
}
