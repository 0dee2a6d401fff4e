/**
 * How long `fieldpost command` waits, and what it says when the time is over. A device that lives answers at once; a change on
 * trial ends only minutes later, and whoever asked for it is told how.
 */
import { durationText, parseDuration } from '../config/units.ts';
import { durationOption } from './option-values.ts';

type Document = Readonly<Record<string, unknown>>;

export interface Wait {
  /** For the first answer; the request expires then. */
  readonly answerMs: number;
  /** For the last one, where one came: at least as long. */
  readonly endMs: number;
}

/** Whom a request was sent to. */
export interface Asked {
  readonly id: string;
  /** One of them. */
  readonly device: string | undefined;
  readonly group: string | undefined;
  readonly wait: Wait;
  /** It can be sent again by its id. */
  readonly isKept: boolean;
}

const WITHIN_MS = { low: 1000, high: 3_600_000 };
const ANSWER_MS = 30_000;
/** What is taken back at the end of a trial is told after the agent has started anew. */
const MORE_MS = 60_000;
/** Commands that go on trial, and for how long where the request does not say. */
const TRIAL_MS: ReadonlyMap<string, number> = new Map([
  ['config.set', 600_000],
  ['config.rollback', 600_000],
  ['certificate.install', 60_000],
]);

/** Throws Fault `usage` for a `--within` that is none. */
export function waitOf(within: string | undefined, command: string, args: Document): Wait {
  if (within !== undefined) {
    const ms = durationOption('--within', within, WITHIN_MS);
    return { answerMs: ms, endMs: ms };
  }
  const usualMs = TRIAL_MS.get(command);
  if (usualMs === undefined) return { answerMs: ANSWER_MS, endMs: ANSWER_MS };
  const { within: asked } = args;
  const trialMs = typeof asked === 'string' ? (parseDuration(asked) ?? usualMs) : usualMs;
  return { answerMs: ANSWER_MS, endMs: Math.min(trialMs, WITHIN_MS.high) + MORE_MS };
}

/** Nobody answered at all. */
export function silenceText({ id, device, group, wait, isKept }: Asked): string {
  const who = device === undefined ? `no device of the group ${group ?? ''} has` : `${device} has not`;
  const rules = "the request has expired, or the broker's rules let it or its answer not through";
  return `${who} answered ${id} within ${durationText(wait.answerMs)}; ${rules}${againText(id, isKept)}`;
}

/** `device` has answered, and not how it ended. */
export function unfinishedText({ id, wait, isKept }: Asked, device: string, last: Document): string {
  const { revert_at: revertAt } = last;
  const onTrial = typeof revertAt === 'string' ? ` (on trial until ${revertAt})` : '';
  return `${device} is still executing ${id}${onTrial}: it has not ended within ${durationText(wait.endMs)}${againText(id, isKept)}`;
}

/** To whoever gets tired of it. */
export function goesOnText({ id, wait }: Pick<Asked, 'id' | 'wait'>): string {
  return `waits up to ${durationText(wait.endMs)} for the end of ${id}; broken off, it can be asked again with --id ${id}`;
}

function againText(id: string, isKept: boolean): string {
  return isKept ? `; ask again with --id ${id}` : '';
}
