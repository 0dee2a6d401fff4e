/**
 * The capture file: what came over a line and when, as line-delimited JSON that a person can read and cut with any tool.
 *
 *   {"v":1,"what":"fieldpost capture","port":"/dev/ttyUSB0","at":"2026-11-25T10:00:00.000Z"}
 *   {"t":0,"event":"open"}
 *   {"t":12.5,"rx":"L0lTSzVc"}
 *   {"t":9120,"event":"lost","why":"closed"}
 *
 * `t`: milliseconds since `at`, never falling; `rx`: bytes in base64. Unknown keys are left alone.
 */

export interface CaptureHeader {
  readonly port: string;
  /** ISO 8601. */
  readonly at: string;
}

/** `atMs`: since the header's time. */
export type CaptureRecord =
  | { readonly kind: 'bytes'; readonly atMs: number; readonly bytes: Buffer }
  | { readonly kind: 'open'; readonly atMs: number }
  | { readonly kind: 'lost'; readonly atMs: number; readonly why: string };

export type CaptureLine<Value> =
  | { readonly kind: 'ok'; readonly value: Value }
  /** What it must be. */
  | { readonly kind: 'mistake'; readonly expected: string };

/** Of one line: 64 KiB from the system, as base64. */
export const CAPTURE_LINE_MAX = 128 * 1024;

const WHAT = 'fieldpost capture';
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export function captureHeaderText({ port, at }: CaptureHeader): string {
  return `${JSON.stringify({ v: 1, what: WHAT, port, at })}\n`;
}

export function captureRecordText(record: CaptureRecord): string {
  // A hundredth of a millisecond is less than a bit at 19200 Bd.
  const t = Math.round(record.atMs * 100) / 100;
  if (record.kind === 'bytes') return `${JSON.stringify({ t, rx: record.bytes.toString('base64') })}\n`;
  const why = record.kind === 'lost' ? { why: record.why } : {};
  return `${JSON.stringify({ t, event: record.kind, ...why })}\n`;
}

export function parseCaptureHeader(line: string): CaptureLine<CaptureHeader> {
  const header = parseObject(line);
  if (header?.['what'] !== WHAT) return mistake('the header of a capture: {"v":1,"what":"fieldpost capture", ...}');
  if (header['v'] !== 1) return mistake('a capture of version 1');
  const { port, at } = header;
  return { kind: 'ok', value: { port: typeof port === 'string' ? port : '', at: typeof at === 'string' ? at : '' } };
}

export function parseCaptureRecord(line: string): CaptureLine<CaptureRecord> {
  const found = parseObject(line);
  if (found === undefined) return mistake('a JSON object');
  const { t: atMs, rx, event, why } = found;
  if (typeof atMs !== 'number' || atMs < 0) return mistake('an object with t, milliseconds from 0 up');
  if (typeof rx === 'string') {
    return BASE64.test(rx) ? ok({ kind: 'bytes', atMs, bytes: Buffer.from(rx, 'base64') }) : mistake('base64 in rx');
  }
  if (event === 'open') return ok({ kind: 'open', atMs });
  if (event === 'lost') return ok({ kind: 'lost', atMs, why: typeof why === 'string' ? why : '' });
  return mistake('an object with rx, or event open or lost');
}

function ok(value: CaptureRecord): CaptureLine<CaptureRecord> {
  return { kind: 'ok', value };
}

function mistake(expected: string): { readonly kind: 'mistake'; readonly expected: string } {
  return { kind: 'mistake', expected };
}

function parseObject(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
