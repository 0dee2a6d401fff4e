/**
 * What the status says of the agent (DESIGN 4), put together from each part's own figures. Pure.
 */
import type { ClockQuality } from '../ports.ts';

export interface StatusParts {
  readonly agent: string;
  readonly boot: string;
  readonly clock: ClockQuality;
  readonly nowMs: number;
  /** Revision, phase, and what is shadowed. */
  readonly config: Readonly<Record<string, unknown>>;
  /** What is wrong with it, as words. */
  readonly configFaults: readonly string[];
  readonly ledger: {
    readonly epoch: string;
    readonly first: number;
    readonly last: number;
    /** Epochs before it of which something is kept, oldest first. */
    readonly older: readonly { readonly epoch: string; readonly first: number; readonly last: number }[];
    /** Events since the start. */
    readonly accepted: number;
    readonly unsent: number;
    readonly unsettled: number;
    readonly dead: number;
    readonly bytes: number;
    readonly refusing: { readonly code: string } | undefined;
    readonly quarantined: number;
  };
  /** Age of the oldest event that is not handed over, milliseconds; undefined: there is none. */
  readonly oldestUnsentMs: number | undefined;
  /** Undefined: events settle when they are handed over. */
  readonly receipts:
    | {
        readonly epoch: string | undefined;
        readonly through: number;
        readonly refused: number;
        readonly refusal: string | undefined;
        readonly forked: boolean;
        readonly late: boolean;
      }
    | undefined;
  readonly telemetryDropped: number;
  /** Of the client certificate, ISO 8601; undefined without one. */
  readonly certificate: { readonly notBefore: string; readonly notAfter: string } | undefined;
  readonly freeBytes: number | undefined;
  readonly forbiddenStreams: readonly string[];
  /** Why no events leave on this link, or undefined. */
  readonly eventsHeld: string | undefined;
  /** Undefined before the first link. */
  readonly guarantee: { readonly word: string; readonly why: string; readonly lacks: readonly string[] } | undefined;
  /** Our own topics that an access rule refuses, below the root. */
  readonly forbiddenTopics: readonly string[];
  readonly sensors: readonly { readonly id: string; readonly state: string }[];
  readonly connection: {
    readonly connects: number;
    readonly failures: number;
    readonly takeovers: number;
    readonly lastEnd: { readonly word: string; readonly text: string; readonly atMs: number } | undefined;
  };
  readonly starts: number;
  readonly stateFails: boolean;
  /** Renewed files of the identity are there and can not be used. */
  readonly renewalFails: boolean;
  readonly writtenBytesDay: number | undefined;
  /** Since the start. */
  readonly writtenBytes: number | undefined;
}

const DAY_MS = 86_400_000;
/** Days before the end of the client certificate from which the status is degraded. */
const CERTIFICATE_WARNING_DAYS = 14;

export interface StatusDocument extends Readonly<Record<string, unknown>> {
  readonly degraded: readonly string[];
}

export function statusOf(parts: StatusParts): StatusDocument {
  const { ledger, oldestUnsentMs = 0 } = parts;
  return {
    connects: parts.connection.connects,
    starts: parts.starts,
    boot: parts.boot,
    clock: parts.clock,
    agent: parts.agent,
    config: parts.config,
    ledger: {
      epoch: ledger.epoch,
      first: ledger.first,
      last: ledger.last,
      older: ledger.older,
      unsent: ledger.unsent,
      unsettled: ledger.unsettled,
      dead: ledger.dead,
      oldest_s: Math.round(oldestUnsentMs / 1000),
      bytes: ledger.bytes,
    },
    guarantee: guaranteeText(parts),
    receipts: receiptsOf(parts),
    telemetry_dropped: parts.telemetryDropped,
    connection: connectionOf(parts),
    ...certificateOf(parts),
    disk: diskOf(parts),
    degraded: degradationsOf(parts),
  };
}

/** `written_bytes_event`: of all that was written since the start, each event's share; absent before the first event. */
function diskOf(parts: StatusParts): Readonly<Record<string, unknown>> {
  const { accepted } = parts.ledger;
  return {
    free_bytes: parts.freeBytes,
    written_bytes_day: parts.writtenBytesDay,
    ...(accepted === 0 || parts.writtenBytes === undefined
      ? {}
      : { written_bytes_event: Math.round(parts.writtenBytes / accepted) }),
  };
}

/** What holds for events on this broker, and why it is no more; null before the first link. */
function guaranteeText({ guarantee, eventsHeld }: StatusParts): Readonly<Record<string, string>> | null {
  if (eventsHeld !== undefined) return { word: 'held', why: eventsHeld };
  return guarantee === undefined ? null : { word: guarantee.word, why: guarantee.why };
}

/** Null when receipts are off. `through`: of the newest receipt that was taken since the start. */
function receiptsOf({ receipts }: StatusParts): Readonly<Record<string, unknown>> | null {
  if (receipts === undefined) return null;
  const { epoch, through, refused, refusal } = receipts;
  return { epoch, through, refused, refusal };
}

/** `last_end`: why the link before this one ended, or the last attempt failed. */
function connectionOf({ connection }: StatusParts): Readonly<Record<string, unknown>> {
  const { failures, takeovers, lastEnd } = connection;
  if (lastEnd === undefined) return { failures, takeovers };
  const { word, text, atMs } = lastEnd;
  return { failures, takeovers, last_end: { word, text, at: new Date(atMs).toISOString() } };
}

/** `days`: not said by a clock that was never set. */
function certificateOf({ certificate, nowMs, clock }: StatusParts): Readonly<Record<string, unknown>> {
  if (certificate === undefined) return {};
  const days = clock === 'unknown' ? {} : { days: daysLeft(certificate.notAfter, nowMs) };
  return { certificate: { not_after: certificate.notAfter, ...days } };
}

/** What is not as it should be, each as a stable word, with the thing it is about behind a colon. */
function degradationsOf(parts: StatusParts): string[] {
  const found: string[] = [];
  const { ledger } = parts;
  if (ledger.refusing !== undefined) found.push(ledger.refusing.code);
  if (ledger.dead > 0) found.push('ledger.dead');
  if (ledger.quarantined > 0) found.push('ledger.quarantine');
  if (parts.eventsHeld !== undefined) found.push('events.held');
  if (parts.receipts?.refusal !== undefined) found.push('receipts.refused');
  if (parts.receipts?.forked === true) found.push('ledger.forked');
  if (parts.receipts?.late === true) found.push('receipts.late');
  for (const stream of parts.forbiddenStreams) found.push(`broker.forbidden:up/event/${stream}`);
  for (const lack of parts.guarantee?.lacks ?? []) found.push(`broker.no-${lack}`);
  for (const topic of parts.forbiddenTopics) found.push(`broker.forbidden:${topic}`);
  if (parts.connection.takeovers > 0) found.push('broker.taken-over');
  for (const { id, state } of parts.sensors) {
    if (state === 'absent' || state === 'error') found.push(`sensor.${state}:${id}`);
  }
  found.push(...parts.configFaults);
  if (parts.clock === 'unknown') found.push('clock.unknown');
  if (parts.renewalFails) found.push('identity.renewal');
  if (parts.stateFails) found.push('state.disk');
  found.push(...certificateDegradations(parts));
  return found;
}

function certificateDegradations({ certificate, nowMs, clock }: StatusParts): string[] {
  if (certificate === undefined || clock === 'unknown') return [];
  if (nowMs < Date.parse(certificate.notBefore)) return ['certificate.not-yet-valid'];
  const days = daysLeft(certificate.notAfter, nowMs);
  if (days < 0) return ['certificate.expired'];
  return days < CERTIFICATE_WARNING_DAYS ? ['certificate.expiring'] : [];
}

function daysLeft(notAfter: string, nowMs: number): number {
  return Math.floor((Date.parse(notAfter) - nowMs) / DAY_MS);
}
