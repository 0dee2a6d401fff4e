/** When the next attempt is made: bounds, paces, and what two devices of one identity do to each other in a day. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_FAILURES, planRetry, type RetryHistory, type RetryPlan } from '../../src/broker/retry.ts';
import { endOfReasonCode } from '../../src/platform/link-end.ts';
import type { LinkEnd, LinkWord } from '../../src/ports-broker.ts';
import { type Random, seededRandom } from '../../src/workbench/random.ts';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

function end(word: LinkWord): LinkEnd {
  return { word, text: '' };
}

/** The plans of `times` ends in a row, each link having held for `heldMs`. */
function plansOf(
  word: LinkWord,
  times: number,
  options: { readonly heldMs?: number; readonly urls?: number } = {},
): RetryPlan[] {
  const { heldMs = 0, urls = 1 } = options;
  const plans: RetryPlan[] = [];
  let history = NO_FAILURES;
  for (let made = 0; made < times; made += 1) {
    const plan = planRetry(history, end(word), heldMs, urls);
    history = plan.history;
    plans.push(plan);
  }
  return plans;
}

function ceilings(plans: readonly RetryPlan[]): number[] {
  return plans.map((plan) => plan.ceilingMs / 1000);
}

test('a network that is away is tried with full jitter, from up to one second to up to one minute', () => {
  for (const word of [
    'network.refused',
    'network.name',
    'network.timeout',
    'network.lost',
    'broker.silent',
    'broker.closed',
    'broker.stopping',
  ] as const) {
    const plans = plansOf(word, 1000);
    assert.deepEqual(ceilings(plans.slice(0, 8)), [1, 2, 4, 8, 16, 32, 60, 60], word);
    assert.ok(plans.every((plan) => plan.floorMs === 0 && plan.ceilingMs <= MINUTE_MS));
  }
});

test('what a person has to mend is tried slowly, from five to ten seconds up to ten minutes', () => {
  for (const word of [
    'tls.other-ca',
    'tls.expired',
    'identity.revoked',
    'identity.files',
    'login.password',
    'login.forbidden',
    'broker.busy',
    'broker.refused',
  ] as const) {
    const plans = plansOf(word, 1000);
    assert.deepEqual(ceilings(plans.slice(0, 8)), [10, 20, 40, 80, 160, 320, 600, 600], word);
    assert.ok(plans.every((plan) => plan.floorMs === plan.ceilingMs / 2 && plan.ceilingMs <= 10 * MINUTE_MS));
  }
});

test('a long outage of the network does not lengthen the first wait for a broker that is busy afterwards', () => {
  const { history } = plansOf('network.refused', 50).at(-1) as RetryPlan;
  const busy = planRetry(history, end('broker.busy'), 0, 1);
  assert.deepEqual([busy.floorMs, busy.ceilingMs], [5000, 10_000]);
});

test('two troubles by turns still wait longer and longer', () => {
  let history: RetryHistory = NO_FAILURES;
  const seen: number[] = [];
  for (const word of [
    'network.refused',
    'tls.other-ca',
    'network.refused',
    'tls.other-ca',
    'network.refused',
  ] as const) {
    const plan = planRetry(history, end(word), 0, 1);
    history = plan.history;
    seen.push(plan.ceilingMs / 1000);
  }
  assert.deepEqual(seen, [1, 10, 4, 20, 16]);
});

test('a link that drops soon after it came up does not start the waiting over', () => {
  assert.deepEqual(ceilings(plansOf('network.lost', 4, { heldMs: 29_999 })), [1, 2, 4, 8]);
});

test('a link that held starts the waiting over', () => {
  const { history } = plansOf('network.lost', 9).at(-1) as RetryPlan;
  const plan = planRetry(history, end('network.lost'), 30_000, 1);
  assert.deepEqual([plan.ceilingMs, plan.history.failures], [1000, 1]);
  const slow = planRetry((plansOf('tls.expired', 9).at(-1) as RetryPlan).history, end('login.password'), 30_000, 1);
  assert.equal(slow.ceilingMs, 10_000);
});

test('each of several brokers is tried once before the wait doubles', () => {
  assert.deepEqual(ceilings(plansOf('network.refused', 7, { urls: 3 })), [1, 1, 1, 2, 2, 2, 4]);
  assert.deepEqual(ceilings(plansOf('tls.expired', 5, { urls: 2 })), [10, 10, 20, 20, 40]);
});

test('a link that this side ended is made anew at once, but not again and again', () => {
  const history = { failures: 9, slow: 1, restarts: 0, abrupt: 0, takeovers: 2 };
  const first = planRetry(history, end('own.ended'), 0, 1);
  assert.deepEqual(first, { history: { ...history, restarts: 1 }, floorMs: 0, ceilingMs: 0 });
  assert.deepEqual(ceilings(plansOf('own.ended', 9)), [0, 1, 2, 4, 8, 16, 32, 60, 60]);
  assert.equal(planRetry({ ...history, restarts: 5 }, end('own.ended'), 30_000, 1).ceilingMs, 0);
});

test('whoever was thrown out by another client yields for half a minute at least, each time for longer', () => {
  const plans = plansOf('broker.taken-over', 9, { heldMs: 20 * MINUTE_MS });
  assert.deepEqual(ceilings(plans), [60, 120, 240, 480, 960, 1800, 1800, 1800, 1800]);
  assert.ok(plans.every((plan) => plan.floorMs === plan.ceilingMs / 2));
  const alone = planRetry((plans.at(-1) as RetryPlan).history, end('broker.taken-over'), HOUR_MS, 1);
  assert.deepEqual([alone.history.takeovers, alone.floorMs], [1, 30_000]);
});

test('a broker that closes link after link without a word is tried slowly from the fourth on, until one held for an hour', () => {
  const plans = plansOf('broker.closed', 9, { heldMs: 1000 });
  assert.deepEqual(ceilings(plans), [1, 2, 4, 10, 20, 40, 80, 120, 120]);
  const { history } = plans.at(-1) as RetryPlan;
  assert.equal(planRetry(history, end('broker.closed'), 10 * MINUTE_MS, 1).ceilingMs, 120_000);
  assert.equal(planRetry(history, end('broker.closed'), HOUR_MS, 1).ceilingMs, 1000);
  assert.deepEqual(ceilings(plansOf('broker.closed', 6, { heldMs: 10 * MINUTE_MS })), [1, 1, 1, 1, 1, 1]);
});

/** Two devices of one identity: whoever connects throws the other one out. Returns how often that happens. */
function rivalry(random: Random, hours: number, word: LinkWord): number {
  const histories: [RetryHistory, RetryHistory] = [NO_FAILURES, NO_FAILURES];
  let takeovers = 0;
  let up: 0 | 1 = 0;
  let upSinceMs = 0;
  let nextMs = 1000;
  while (nextMs < hours * HOUR_MS) {
    takeovers += 1;
    const { history, floorMs, ceilingMs } = planRetry(histories[up], end(word), nextMs - upSinceMs, 1);
    histories[up] = history;
    up = up === 0 ? 1 : 0;
    upSinceMs = nextMs;
    nextMs += floorMs + random.unit() * (ceilingMs - floorMs);
  }
  return takeovers;
}

for (const [how, word, most] of [
  ['and the broker says so', 'broker.taken-over', 100],
  ['and the broker only closes the link', 'broker.closed', 1100],
] as const) {
  test(`two devices of one identity, ${how}, throw each other out fewer than ${most} times in a day`, (t) => {
    const counts = Array.from({ length: 200 }, (_, seed) => rivalry(seededRandom(seed), 24, word));
    t.diagnostic(`takeovers in 24 h: ${Math.min(...counts)} to ${Math.max(...counts)}`);
    assert.ok(Math.max(...counts) < most, `${Math.max(...counts)}`);
    assert.ok(Math.min(...counts) > 40, 'each gets its turns');
  });
}

for (const code of [0x87, 0x8a, 0x9f]) {
  test(`a login that the broker refuses (0x${code.toString(16)}) is tried at the slow pace`, () => {
    const refusal = endOfReasonCode(code, {
      now: '2026-06-01T00:00:00.000Z',
      clock: 'synced',
      floor: '2026-01-01T00:00:00.000Z',
      psk: false,
      device: 'pump-42',
      certificate: undefined,
      password: false,
      phase: 'mqtt',
    });
    let history = NO_FAILURES;
    const waits: (readonly [number, number])[] = [];
    for (let attempt = 0; attempt < 8; attempt += 1) {
      const plan = planRetry(history, refusal, 0, 1);
      ({ history } = plan);
      waits.push([plan.floorMs, plan.ceilingMs]);
    }
    assert.deepEqual(waits[0], [5000, 10_000]);
    assert.deepEqual(waits[1], [10_000, 20_000]);
    assert.deepEqual(waits.at(-1), [300_000, 600_000]);
  });
}
