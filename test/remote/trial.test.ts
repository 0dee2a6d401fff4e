/** What becomes of a change, step by step: the pure machine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConfigInput, type ConfigState, next, NO_REMOTE, type Trial } from '../../src/remote/trial.ts';

const STAMP = { at: '2026-11-23T16:00:00.000Z', hash: 'h' };

function trialOf(more: Partial<Trial> = {}): Trial {
  const revision = { revision: 1, file: 'ov-1-a.json', sha: 's' };
  const asked = { command: 'config.set', id: 'a', by: 'ops' };
  const rest = { checked: true, token: 't', boot: 'b', sinceMs: 1000, withinMs: 60_000, starts: 0 };
  return { ...revision, ...asked, mode: 'operator', ...rest, ...more };
}

const onTrial = (more: Partial<Trial> = {}): ConfigState =>
  next(NO_REMOTE, { kind: 'begin', trial: trialOf(more) }).state;

function start(more: Partial<Extract<ConfigInput, { kind: 'start' }>> = {}): ConfigInput {
  return { kind: 'start', boot: 'b', nowMs: 2000, readable: true, stamp: STAMP, ...more };
}

const whyOf = ({ history }: ConfigState): string | undefined => history.at(-1)?.why;

test('a change is on disk before it is run, and its end before it is told', () => {
  const begun = next(NO_REMOTE, { kind: 'begin', trial: trialOf() });
  assert.deepEqual(
    begun.effects.map(({ kind }) => kind),
    ['keep', 'switch'],
  );
  const confirmed = next(begun.state, { kind: 'confirm', token: 't', stamp: STAMP });
  assert.deepEqual(
    confirmed.effects.map(({ kind }) => kind),
    ['keep', 'answer'],
  );
  assert.deepEqual(confirmed.state.good, { revision: 1, file: 'ov-1-a.json', sha: 's' });
  assert.deepEqual(confirmed.state.previous, NO_REMOTE.good);
  const reverted = next(begun.state, { kind: 'revert', why: 'x', stamp: STAMP });
  assert.deepEqual(
    reverted.effects.map(({ kind }) => kind),
    ['keep', 'switch', 'answer'],
  );
  assert.deepEqual([reverted.state.good, reverted.state.trial, reverted.state.seq], [NO_REMOTE.good, null, 1]);
});

test('only the token confirms, and only an operator has one', () => {
  const wrong = next(onTrial(), { kind: 'confirm', token: 'T', stamp: STAMP });
  assert.deepEqual([wrong.effects, wrong.state.trial?.revision], [[], 1]);
  assert.deepEqual(next(onTrial({ mode: 'local' }), { kind: 'confirm', token: 't', stamp: STAMP }).effects, []);
  assert.deepEqual(next(onTrial(), { kind: 'sound', stamp: STAMP }).effects, []);
  assert.equal(next(onTrial({ mode: 'local' }), { kind: 'sound', stamp: STAMP }).state.good.revision, 1);
});

test('nothing stacks on a trial', () => {
  const state = onTrial();
  assert.equal(next(state, { kind: 'begin', trial: trialOf({ revision: 2 }) }).state, state);
  assert.equal(next(state, { kind: 'clear', why: 'dropped', stamp: STAMP }).state, state);
});

test('a start in the same boot keeps the trial and its first deadline; the third takes it back', () => {
  const once = next(onTrial(), start()).state;
  const twice = next(once, start({ nowMs: 3000 })).state;
  assert.deepEqual([twice.trial?.starts, twice.trial?.sinceMs], [2, 1000]);
  const third = next(twice, start({ nowMs: 4000 })).state;
  assert.equal(third.trial, null);
  assert.match(whyOf(third) ?? '', /started 3 times/);
});

test('another boot, the deadline and a lost overlay each take it back at the start', () => {
  assert.match(whyOf(next(onTrial(), start({ boot: 'c' })).state) ?? '', /booted/);
  assert.match(whyOf(next(onTrial(), start({ nowMs: 61_000 })).state) ?? '', /not confirmed within 60 s/);
  assert.match(whyOf(next(onTrial(), start({ readable: false })).state) ?? '', /overlay/);
});

test('the deadline is kept to the millisecond, and counts from the begin', () => {
  const tick = (nowMs: number): ConfigState => next(onTrial(), { kind: 'tick', nowMs, stamp: STAMP }).state;
  assert.equal(tick(60_999).trial?.revision, 1);
  assert.equal(tick(61_000).trial, null);
});

test('what an operator did not confirm in time says what became of the connection; what the device confirms needs none', () => {
  const tick = { kind: 'tick', nowMs: 61_000, stamp: STAMP, link: 'no connection (network.refused: x)' } as const;
  const over = 'it was not confirmed within 60 s';
  assert.equal(whyOf(next(onTrial(), tick).state), `${over}: no connection (network.refused: x)`);
  assert.equal(whyOf(next(onTrial({ mode: 'local' }), tick).state), over);
});

test('the history keeps the last twenty', () => {
  let state: ConfigState = NO_REMOTE;
  for (let revision = 1; revision <= 25; revision += 1) {
    state = next(state, { kind: 'begin', trial: trialOf({ revision, id: `c${revision}` }) }).state;
    state = next(state, { kind: 'revert', why: 'x', stamp: STAMP }).state;
  }
  assert.deepEqual([state.history.length, state.history[0]?.revision, state.seq], [20, 6, 25]);
});
