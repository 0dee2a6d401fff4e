/** What is asked of the remote configuration, and what it answers. */
import type { Target } from './resolver.ts';
import type { Asked, Entry, Revision, Trial } from './trial.ts';

/** Of a change that the device itself confirms: a slow start and a restart fit in. */
const LOCAL_WITHIN_MS = 60_000;

export interface Change extends Asked {
  /** The revision it was made for. */
  readonly base: number;
  readonly target: Target;
  readonly withinMs: number;
  /** On trial although it can not cut the wire. */
  readonly trial: boolean;
  readonly check: boolean;
}

export type Begun =
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  | { readonly kind: 'same'; readonly revision: number; readonly hash: string }
  | { readonly kind: 'begun'; readonly trial: Trial; readonly changed: readonly string[] };

export type Settled =
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  /** `isNow`: not long ago. */
  | { readonly kind: 'settled'; readonly entry: Entry; readonly isNow: boolean };

/** What is to be told over the link that the trial has made. */
export interface Probation {
  readonly asked: Asked;
  readonly revision: number;
  readonly token: string;
  readonly leftMs: number;
}

export function trialOf(
  { command, id, by, check, withinMs }: Change,
  revision: Revision,
  mode: Trial['mode'],
  begun: Pick<Trial, 'token' | 'boot' | 'sinceMs'>,
): Trial {
  return {
    ...revision,
    command,
    id,
    ...(by === undefined ? {} : { by }),
    mode,
    checked: check,
    ...begun,
    withinMs: mode === 'operator' ? withinMs : LOCAL_WITHIN_MS,
    starts: 0,
  };
}
