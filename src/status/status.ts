/**
 * What the status says of the agent (DESIGN 4), put together from each part's own figures. Pure.
 */
import type { ClockQuality } from '../ports.ts';

export interface StatusParts {
  readonly agent: string;
  readonly boot: string;
  readonly clock: ClockQuality;
  readonly connects: number;
  readonly nowMs: number;
  readonly ledger: {
    readonly epoch: string;
    readonly first: number;
    readonly last: number;
    readonly unsent: number;
    readonly unsettled: number;
    readonly dead: number;
    readonly bytes: number;
    readonly refusing: { readonly code: string } | undefined;
    readonly quarantined: number;
  };
  readonly oldestUnsentMs: number | undefined;
  readonly telemetryDropped: number;
  readonly certificateNotAfter: string | undefined;
  readonly freeBytes: number | undefined;
  readonly forbiddenStreams: readonly string[];
  /** Why no events leave on this link, or undefined. */
  readonly eventsHeld: string | undefined;
  readonly absentSensors: readonly string[];
}

const DAY_MS = 86_400_000;
/** Days before the end of the client certificate from which the status is degraded. */
const CERTIFICATE_WARNING_DAYS = 14;

export interface StatusDocument extends Readonly<Record<string, unknown>> {
  readonly degraded: readonly string[];
}

export function statusOf(parts: StatusParts): StatusDocument {
  const { ledger, nowMs, oldestUnsentMs } = parts;
  const oldest = oldestUnsentMs === undefined ? 0 : Math.max(0, Math.round((nowMs - oldestUnsentMs) / 1000));
  return {
    connects: parts.connects,
    boot: parts.boot,
    clock: parts.clock,
    agent: parts.agent,
    config: { revision: 0, phase: 'confirmed' },
    ledger: {
      epoch: ledger.epoch,
      first: ledger.first,
      last: ledger.last,
      unsent: ledger.unsent,
      unsettled: ledger.unsettled,
      dead: ledger.dead,
      oldest_s: oldest,
      bytes: ledger.bytes,
    },
    telemetry_dropped: parts.telemetryDropped,
    ...certificateOf(parts),
    ...(parts.freeBytes === undefined ? {} : { disk: { free_bytes: parts.freeBytes } }),
    degraded: degradationsOf(parts),
  };
}

function certificateOf({ certificateNotAfter, nowMs }: StatusParts): Readonly<Record<string, unknown>> {
  if (certificateNotAfter === undefined) return {};
  return { certificate: { not_after: certificateNotAfter, days: daysLeft(certificateNotAfter, nowMs) } };
}

/** What is not as it should be, each as a stable word, with the thing it is about behind a colon. */
function degradationsOf(parts: StatusParts): string[] {
  const found: string[] = [];
  const { ledger, certificateNotAfter } = parts;
  if (ledger.refusing !== undefined) found.push(ledger.refusing.code);
  if (ledger.dead > 0) found.push('ledger.dead');
  if (ledger.quarantined > 0) found.push('ledger.quarantine');
  if (parts.eventsHeld !== undefined) found.push('events.held');
  for (const stream of parts.forbiddenStreams) found.push(`broker.forbidden:${stream}`);
  for (const sensor of parts.absentSensors) found.push(`sensor.absent:${sensor}`);
  if (parts.clock === 'unknown') found.push('clock.unknown');
  if (certificateNotAfter !== undefined && daysLeft(certificateNotAfter, parts.nowMs) < CERTIFICATE_WARNING_DAYS) {
    found.push('certificate.expiring');
  }
  return found;
}

function daysLeft(notAfter: string, nowMs: number): number {
  return Math.floor((Date.parse(notAfter) - nowMs) / DAY_MS);
}
