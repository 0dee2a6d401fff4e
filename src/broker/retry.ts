/**
 * How long to wait before the next attempt. Pure. Full jitter spreads a fleet that lost its broker at one moment; what a
 * person has to mend (a certificate, a password) is tried slowly; and whoever was thrown out by another client of the
 * same identity yields, each time for longer, so that two of them do not throw each other out all day.
 */
import type { LinkEnd, LinkWord } from '../ports-broker.ts';

export interface RetryHistory {
  /** Attempts in a row that brought no link that held. */
  readonly failures: number;
  /** Those of them that take the slow pace: an outage of the network must not lengthen the first slow wait. */
  readonly slow: number;
  /** Links that this side ended in order to begin anew, since the last that held. */
  readonly restarts: number;
  /** Links that the broker closed soon and without a word, since the last that held for long. */
  readonly abrupt: number;
  /** Takeovers since the last link that held for long. */
  readonly takeovers: number;
}

export interface RetryPlan {
  readonly history: RetryHistory;
  /** The wait is uniform between the two, milliseconds. */
  readonly floorMs: number;
  readonly ceilingMs: number;
}

export const NO_FAILURES: RetryHistory = { failures: 0, slow: 0, restarts: 0, abrupt: 0, takeovers: 0 };

interface Pace {
  readonly firstMs: number;
  readonly maxMs: number;
  /** The wait is at least this part of its ceiling. */
  readonly floor: 0 | 0.5;
}

const NORMAL: Pace = { firstMs: 1000, maxMs: 60_000, floor: 0 };
/** Nothing changes by itself soon. */
const SLOW: Pace = { firstMs: 10_000, maxMs: 600_000, floor: 0.5 };
/** Only a suspicion, and a bad network may look the same: not far beyond the normal pace. */
const SUSPECT: Pace = { firstMs: 10_000, maxMs: 120_000, floor: 0.5 };
const YIELD: Pace = { firstMs: 60_000, maxMs: 1_800_000, floor: 0.5 };
/** A link that held this long was a success: one that is dropped sooner counts as a failure, or it would be hammered. */
export const HELD_MS = 30_000;
/** Longer than two that yield to each other can be apart. */
const ALONE_MS = 3_600_000;
/**
 * Mosquitto 2.0 says nothing when another client takes the session over, and MQTT 3.1.1 has no way to: the link is closed.
 * Links that end so within `SOON_MS` are taken for that from the fourth on.
 */
const SOON_MS = 120_000;
const ABRUPT_ALLOWED = 3;

/** What a wrong clock can be the reason of. */
const TIMELY_WORDS: readonly LinkWord[] = [
  'tls.clock',
  'tls.expired',
  'tls.not-yet-valid',
  'tls.no-crl',
  'identity.expired',
  'identity.not-yet-valid',
];

const SLOW_WORDS: readonly LinkWord[] = ['broker.busy', 'broker.protocol', 'broker.refused', 'broker.too-large'];

/** `heldMs`: how long the link was up; 0 when it never was. `urls`: each is tried once before the wait doubles. */
export function planRetry(history: RetryHistory, end: LinkEnd, heldMs: number, urls: number): RetryPlan {
  const { failures: failed, slow: slowly, restarts } = heldMs >= HELD_MS ? NO_FAILURES : history;
  // At once; but a broker that makes us begin anew again and again must not be hammered, nor the disk with its marks.
  if (end.word === 'own.ended') {
    const ceilingMs = restarts === 0 ? 0 : doubled(NORMAL, restarts - 1);
    return { history: { ...history, restarts: restarts + 1 }, floorMs: 0, ceilingMs };
  }
  const before = heldMs >= ALONE_MS ? NO_FAILURES : history;
  const closed = end.word === 'broker.closed' && end.code === undefined && heldMs > 0;
  const abrupt = before.abrupt + (closed && heldMs < SOON_MS ? 1 : 0);
  const suspect = closed && abrupt > ABRUPT_ALLOWED;
  const pace = suspect ? SUSPECT : paceOf(end.word);
  const failures = failed + 1;
  const slow = slowly + (pace === SLOW ? 1 : 0);
  const takeovers = before.takeovers + (pace === YIELD ? 1 : 0);
  const rounds = Math.ceil((pace === SLOW ? slow : failures) / urls);
  const doublings = (pace === YIELD ? takeovers : pace === SUSPECT ? abrupt - ABRUPT_ALLOWED : rounds) - 1;
  const ceilingMs = doubled(pace, doublings);
  return { history: { failures, slow, restarts, abrupt, takeovers }, floorMs: pace.floor * ceilingMs, ceilingMs };
}

/** Whether a clock that was set may mend it. */
export function isTimely(word: LinkWord | undefined): boolean {
  return word !== undefined && TIMELY_WORDS.includes(word);
}

function doubled(pace: Pace, times: number): number {
  return Math.min(pace.maxMs, pace.firstMs * 2 ** Math.min(times, 30));
}

function paceOf(word: LinkWord): Pace {
  if (word === 'broker.taken-over') return YIELD;
  return /^(?:tls|websocket|identity|login)\./.test(word) || SLOW_WORDS.includes(word) ? SLOW : NORMAL;
}
