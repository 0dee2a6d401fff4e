/**
 * Commit or go back: which configuration holds, and what becomes of one on trial. Pure: an input gives the next state and
 * what its owner is to do, in this order: put the state on disk, run the other configuration, tell who asked.
 *
 *   steady --begin--> trial --confirm--> steady (the new one is good)
 *                       |---- revert, tick past the deadline, start on another boot, third start ---> steady (the old one)
 *
 * A trial belongs to one boot of the machine, so that no timer has to be kept over a reboot (RFC 6241, 8.4: a reboot
 * reverts); kill -9 within the boot keeps the trial and its first deadline. Nothing stacks on a trial.
 */

/** An overlay in a file; without one device.json holds as it is. */
export interface Revision {
  readonly revision: number;
  readonly file: string | null;
  /** sha256 of the file's bytes. */
  readonly sha: string | null;
}

export interface Asked {
  readonly command: string;
  readonly id: string;
  readonly by?: string;
}

export interface Trial extends Revision, Asked {
  /** Who confirms: the operator with the token, or the device itself when what it can see for itself is sound. */
  readonly mode: 'operator' | 'local';
  /** Whether lines of changed sensors must open. */
  readonly checked: boolean;
  readonly token: string;
  readonly boot: string;
  /** Milliseconds since the boot. */
  readonly sinceMs: number;
  readonly withinMs: number;
  /** Starts of the process that have found it. */
  readonly starts: number;
}

export interface Entry extends Asked {
  readonly revision: number;
  /** ISO 8601; left out while the clock was never set. */
  readonly at?: string;
  readonly outcome: 'confirmed' | 'reverted';
  readonly why: string;
  /** Of the configuration that holds since. */
  readonly hash: string;
  /** Of an operator's trial: the same confirm again gets the same answer. */
  readonly token?: string;
}

export interface ConfigState {
  /** Of the newest revision that was ever begun. */
  readonly seq: number;
  readonly good: Revision;
  /** What was good before. */
  readonly previous: Revision | null;
  readonly trial: Trial | null;
  /** Newest last. */
  readonly history: readonly Entry[];
}

export const NO_REMOTE: ConfigState = {
  seq: 0,
  good: { revision: 0, file: null, sha: null },
  previous: null,
  trial: null,
  history: [],
};

/** Kept in status replies and on a card: what an operator asks for after a bad night. */
export const HISTORY_MAX = 20;
/** Starts that may find a trial: a configuration that brings the process down must not do so for ever. */
export const STARTS_MAX = 3;

export interface Stamp {
  /** ISO 8601; undefined while the clock was never set. */
  readonly at: string | undefined;
  /** Of the configuration that holds after it. */
  readonly hash: string;
}

export type ConfigInput =
  | { readonly kind: 'begin'; readonly trial: Trial }
  /** The process has started. `readable`: the trial's overlay is there and sound. */
  | {
      readonly kind: 'start';
      readonly boot: string;
      readonly nowMs: number;
      readonly readable: boolean;
      readonly stamp: Stamp;
    }
  /** `link`: what became of the connection meanwhile, where that is known. */
  | { readonly kind: 'tick'; readonly nowMs: number; readonly stamp: Stamp; readonly link?: string | undefined }
  | { readonly kind: 'confirm'; readonly token: string; readonly stamp: Stamp }
  /** The device itself has found it sound. */
  | { readonly kind: 'sound'; readonly stamp: Stamp }
  | { readonly kind: 'revert'; readonly why: string; readonly stamp: Stamp }
  /** By whoever stands at the device: there is no overlay from now on. */
  | { readonly kind: 'clear'; readonly why: string; readonly stamp: Stamp };

export type ConfigEffect =
  | { readonly kind: 'keep' }
  /** Run what holds now. */
  | { readonly kind: 'switch' }
  | { readonly kind: 'answer'; readonly entry: Entry };

export interface ConfigStep {
  readonly state: ConfigState;
  readonly effects: readonly ConfigEffect[];
}

export function next(state: ConfigState, input: ConfigInput): ConfigStep {
  const { trial } = state;
  switch (input.kind) {
    case 'begin':
      if (trial !== null) return { state, effects: [] };
      return kept({ ...state, seq: input.trial.revision, trial: input.trial }, [{ kind: 'switch' }]);
    case 'start': {
      if (trial === null) return { state, effects: [] };
      const why = startFault(trial, input);
      if (why !== undefined) return reverted(state, trial, why, input.stamp);
      return kept({ ...state, trial: { ...trial, starts: trial.starts + 1 } }, []);
    }
    case 'tick':
      if (trial === null || leftMs(trial, input.nowMs) > 0) return { state, effects: [] };
      return reverted(state, trial, overText(trial, input.link), input.stamp);
    case 'confirm':
      if (trial?.mode !== 'operator' || trial.token !== input.token) return { state, effects: [] };
      return confirmed(state, trial, 'confirmed', input.stamp);
    case 'sound':
      if (trial?.mode !== 'local') return { state, effects: [] };
      return confirmed(state, trial, 'sound on this device', input.stamp);
    case 'revert':
      return trial === null ? { state, effects: [] } : reverted(state, trial, input.why, input.stamp);
    case 'clear':
      return trial === null ? cleared(state, input.why, input.stamp) : { state, effects: [] };
  }
}

/** Until it reverts by itself. */
export function leftMs(trial: Trial, nowMs: number): number {
  return trial.sinceMs + trial.withinMs - nowMs;
}

function startFault(
  trial: Trial,
  { boot, nowMs, readable }: Extract<ConfigInput, { kind: 'start' }>,
): string | undefined {
  if (trial.boot !== boot) return 'the device was booted before it was confirmed';
  if (leftMs(trial, nowMs) <= 0) return overText(trial);
  if (trial.starts + 1 >= STARTS_MAX) return `the agent had to be started ${STARTS_MAX} times on it`;
  return readable ? undefined : 'its overlay can not be read';
}

/** What a device confirms by itself needs no connection. */
function overText({ mode, withinMs }: Trial, link?: string): string {
  const over = `it was not confirmed within ${Math.round(withinMs / 1000)} s`;
  return link === undefined || mode === 'local' ? over : `${over}: ${link}`;
}

function confirmed(state: ConfigState, trial: Trial, why: string, stamp: Stamp): ConfigStep {
  const { revision, file, sha } = trial;
  const entry = entryOf(trial, revision, 'confirmed', why, stamp);
  const good = { revision, file, sha };
  return kept({ ...state, good, previous: state.good, trial: null, history: longer(state, entry) }, [
    { kind: 'answer', entry },
  ]);
}

function reverted(state: ConfigState, trial: Trial, why: string, stamp: Stamp): ConfigStep {
  const entry = entryOf(trial, trial.revision, 'reverted', why, stamp);
  return kept({ ...state, trial: null, history: longer(state, entry) }, [
    { kind: 'switch' },
    { kind: 'answer', entry },
  ]);
}

function cleared(state: ConfigState, why: string, stamp: Stamp): ConfigStep {
  const revision = state.seq + 1;
  const entry = entryOf({ command: 'local', id: String(revision) }, revision, 'confirmed', why, stamp);
  const good = { revision, file: null, sha: null };
  return kept({ seq: revision, good, previous: state.good, trial: null, history: longer(state, entry) }, [
    { kind: 'switch' },
  ]);
}

function entryOf(asked: Asked | Trial, revision: number, outcome: Entry['outcome'], why: string, stamp: Stamp): Entry {
  const { command, id, by } = asked;
  const token = 'token' in asked && asked.mode === 'operator' ? asked.token : undefined;
  return {
    revision,
    command,
    id,
    ...(by === undefined ? {} : { by }),
    ...(stamp.at === undefined ? {} : { at: stamp.at }),
    outcome,
    why,
    hash: stamp.hash,
    ...(token === undefined ? {} : { token }),
  };
}

function longer({ history }: ConfigState, entry: Entry): readonly Entry[] {
  return [...history, entry].slice(-HISTORY_MAX);
}

function kept(state: ConfigState, effects: readonly ConfigEffect[]): ConfigStep {
  return { state, effects: [{ kind: 'keep' }, ...effects] };
}
