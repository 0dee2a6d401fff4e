/**
 * What becomes of a line when it opens, fails or is lost: closed -> opening -> up -> lost -> (back-off) -> opening. Pure:
 * an input gives the next state and what its owner is to do. Every opening has a generation number of its own; what comes
 * from an older one changes nothing. There is no time-out on `opening`: a tty that hangs in the kernel can not be called
 * back, and a second try would only take a second thread; the openers bound what can be bounded (TCP: 5 s).
 */
export type LineState =
  | { readonly kind: 'closed' }
  | { readonly kind: 'opening'; readonly generation: number }
  | { readonly kind: 'up'; readonly generation: number; readonly sinceMs: number }
  | { readonly kind: 'lost'; readonly generation: number; readonly reason: string };

export interface LineMachine {
  readonly state: LineState;
  readonly generation: number;
  /** Openings in a row that failed or did not hold. */
  readonly failures: number;
  /** Troubles that were told since the line was sound last, and how often one of them came again. */
  readonly told: readonly string[];
  readonly repeats: number;
  readonly upTold: boolean;
}

/** Times are on the monotonic clock. */
export type LineInput =
  | { readonly kind: 'start' }
  | { readonly kind: 'opened'; readonly generation: number; readonly atMs: number }
  | { readonly kind: 'not-opened'; readonly generation: number; readonly reason: string }
  | { readonly kind: 'lost'; readonly generation: number; readonly reason: string; readonly atMs: number }
  | { readonly kind: 'retry' }
  | { readonly kind: 'stop' };

export type LineEffect =
  | { readonly kind: 'open'; readonly generation: number }
  | { readonly kind: 'close'; readonly generation: number }
  | { readonly kind: 'wait'; readonly failures: number }
  | { readonly kind: 'stop-waiting' }
  | { readonly kind: 'up'; readonly generation: number }
  | { readonly kind: 'down'; readonly generation: number; readonly reason: string }
  | { readonly kind: 'tell-trouble'; readonly what: 'lost' | 'not opened'; readonly reason: string }
  | { readonly kind: 'tell-up'; readonly repeats: number };

/** A line that held this long is sound again: back-off and log start afresh. Longer than the longest back-off. */
export const STEADY_MS = 10_000;

/** Different troubles told before the line is sound again. A line that flaps has two or three. */
const TOLD_MAX = 8;

export const CLOSED_LINE: LineMachine = {
  state: { kind: 'closed' },
  generation: 0,
  failures: 0,
  told: [],
  repeats: 0,
  upTold: false,
};

interface Step {
  readonly machine: LineMachine;
  readonly effects: readonly LineEffect[];
}

export function nextLine(machine: LineMachine, input: LineInput): Step {
  const { state } = machine;
  switch (input.kind) {
    case 'start':
      return state.kind === 'closed' ? opening(machine) : unchanged(machine);
    case 'retry':
      return state.kind === 'lost' ? opening(machine) : unchanged(machine);
    case 'opened':
      if (state.kind !== 'opening' || state.generation !== input.generation) {
        return { machine, effects: [{ kind: 'close', generation: input.generation }] };
      }
      return up(machine, input.generation, input.atMs);
    case 'not-opened':
      if (state.kind !== 'opening' || state.generation !== input.generation) return unchanged(machine);
      return lost(machine, 'not opened', input.reason);
    case 'lost': {
      if (state.kind !== 'opening' && state.kind !== 'up') return unchanged(machine);
      if (state.generation !== input.generation) return unchanged(machine);
      const steady = state.kind === 'up' && input.atMs - state.sinceMs >= STEADY_MS;
      return lost(steady ? soundAgain(machine) : machine, 'lost', input.reason);
    }
    case 'stop':
      return stopped(machine);
  }
}

function unchanged(machine: LineMachine): Step {
  return { machine, effects: [] };
}

function soundAgain(machine: LineMachine): LineMachine {
  return { ...machine, failures: 0, told: [], repeats: 0, upTold: false };
}

function opening(machine: LineMachine): Step {
  const generation = machine.generation + 1;
  return {
    machine: { ...machine, generation, state: { kind: 'opening', generation } },
    effects: [{ kind: 'open', generation }],
  };
}

function up(machine: LineMachine, generation: number, atMs: number): Step {
  const effects: LineEffect[] = [{ kind: 'up', generation }];
  if (!machine.upTold) effects.push({ kind: 'tell-up', repeats: machine.repeats });
  return { machine: { ...machine, state: { kind: 'up', generation, sinceMs: atMs }, upTold: true }, effects };
}

function lost(machine: LineMachine, what: 'lost' | 'not opened', reason: string): Step {
  const { generation } = machine;
  const failures = machine.failures + 1;
  const isNews = !machine.told.includes(reason) && machine.told.length < TOLD_MAX;
  const effects: LineEffect[] = [];
  // A connection that is up and is lost is also to be closed: the loss may have been judged from outside (a stuck write).
  if (what === 'lost') effects.push({ kind: 'close', generation });
  effects.push({ kind: 'down', generation, reason });
  if (isNews) effects.push({ kind: 'tell-trouble', what, reason });
  effects.push({ kind: 'wait', failures });
  return {
    machine: {
      ...machine,
      state: { kind: 'lost', generation, reason },
      failures,
      told: isNews ? [...machine.told, reason] : machine.told,
      repeats: isNews ? machine.repeats : machine.repeats + 1,
    },
    effects,
  };
}

function stopped(machine: LineMachine): Step {
  const { state } = machine;
  const effects: LineEffect[] = [];
  if (state.kind === 'up') {
    effects.push({ kind: 'close', generation: state.generation });
    effects.push({ kind: 'down', generation: state.generation, reason: 'stopped' });
  }
  if (state.kind === 'lost') effects.push({ kind: 'stop-waiting' });
  return { machine: { ...soundAgain(machine), state: { kind: 'closed' } }, effects };
}
