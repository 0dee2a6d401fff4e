/**
 * Whether the broker session that the ledger knows can be resumed. Pure. A session belongs to one broker, client
 * identifier, topic root and life of the ledger; anything else is met with Clean Start (DESIGN 9.4).
 */

/** The part of a session mark that says which session it is. */
export interface SessionKey {
  readonly broker: string;
  readonly client: string;
  readonly root: string;
  readonly life: number;
}

/** A life of the ledger, for the broker's side. */
export interface SessionLife {
  readonly ordinal: number;
  readonly epoch: string;
}

export interface KnownSession extends SessionKey {
  readonly generation: number;
  readonly phase: 'opening' | 'open';
}

export type SessionPlan =
  | { readonly kind: 'resume'; readonly generation: number }
  /**
   * `forgotten`: what was handed over in older sessions may not be known there any more; not so when only our own epoch
   * has changed. `mark`: must be on disk before CONNECT with Clean Start, so that a crash in between can not trust the old
   * session. `isVoid`: what the broker holds is disowned, so it is worth nothing even where the mark can not be written.
   */
  | {
      readonly kind: 'clean';
      readonly mark: KnownSession;
      readonly written: boolean;
      readonly forgotten: boolean;
      readonly isVoid: boolean;
      readonly why: string;
    };

/** Why the session that is known is void, whatever its mark says. */
export interface Disowned {
  /** Of whom it was. What another one may know is not said by it. */
  readonly broker: string;
  readonly why: string;
  /** As in the plan. */
  readonly forgotten: boolean;
}

export function planSession(
  known: KnownSession | undefined,
  wanted: SessionKey,
  disowned: Disowned | undefined,
): SessionPlan {
  if (known === undefined) return clean(wanted, 1, 'this ledger has had no session');
  const generation = known.generation + 1;
  if (!sameKey(known, wanted)) {
    const forgotten = !sameKey({ ...known, life: wanted.life }, wanted) || disowned?.forgotten === true;
    return { ...clean(wanted, generation, whatDiffers(known, wanted)), forgotten };
  }
  const here = disowned?.broker === wanted.broker ? disowned : undefined;
  const { why, forgotten } = here ?? { why: 'the last session was not completed', forgotten: true };
  if (known.phase === 'opening') return { kind: 'clean', mark: known, written: true, forgotten, isVoid: true, why };
  if (disowned !== undefined) return { ...clean(wanted, generation, why), forgotten, isVoid: true };
  return { kind: 'resume', generation: known.generation };
}

/** The mark that must be on disk before the first QoS 2 packet; undefined when the known one still holds. */
export function markAfterConnack(
  plan: SessionPlan,
  wanted: SessionKey,
  sessionPresent: boolean,
): KnownSession | undefined {
  if (plan.kind === 'clean') return { ...plan.mark, phase: 'open' };
  if (sessionPresent) return undefined;
  return { ...wanted, generation: plan.generation + 1, phase: 'open' };
}

function clean(wanted: SessionKey, generation: number, why: string): Extract<SessionPlan, { kind: 'clean' }> {
  const mark = { ...wanted, generation, phase: 'opening' } as const;
  return { kind: 'clean', mark, written: false, forgotten: true, isVoid: false, why };
}

function sameKey(a: SessionKey, b: SessionKey): boolean {
  return a.broker === b.broker && a.client === b.client && a.root === b.root && a.life === b.life;
}

function whatDiffers(known: SessionKey, wanted: SessionKey): string {
  if (known.life !== wanted.life) return 'a new epoch of the ledger begins';
  if (known.broker !== wanted.broker) return 'it is another broker';
  return known.client === wanted.client ? 'the topics have another root' : 'the client identifier has changed';
}
