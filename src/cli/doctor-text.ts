/** The doctor's findings as a table for people, or as one JSON document. Pure. */
import type { Finding, FindingState, PartFindings } from './doctor-finding.ts';

const MARKS: readonly FindingState[] = ['ok', 'warning', 'failed', 'skipped'];
const COLOURS: Readonly<Record<FindingState, string>> = { ok: '32', warning: '33', failed: '31', skipped: '2' };
const MARK_WIDTH = Math.max(...MARKS.map((mark) => mark.length));
/** A longer name stands over its columns. */
const NAME_WIDTH_MAX = 32;

export function partText({ part, findings }: PartFindings, colour: boolean): string {
  const width = Math.min(NAME_WIDTH_MAX, Math.max(0, ...findings.map(({ name }) => name.length)));
  return `${part}\n${findings.map((finding) => findingText(finding, width, colour)).join('')}`;
}

function findingText({ name, state, found, todo }: Finding, width: number, colour: boolean): string {
  const padded = state.padEnd(MARK_WIDTH);
  const mark = colour ? `\u001b[${COLOURS[state]}m${padded}\u001b[0m` : padded;
  const line = `  ${mark}  ${name.padEnd(width)}  ${printable(found)}\n`;
  return todo === undefined ? line : `${line}  ${''.padEnd(MARK_WIDTH)}  ${''.padEnd(width)}  -> ${printable(todo)}\n`;
}

/** Names and reasons come from brokers and files: nothing in them may steer a terminal. */
function printable(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}

export function summaryText(parts: readonly PartFindings[]): string {
  const states = parts.flatMap(({ findings }) => findings.map(({ state }) => state));
  return `${MARKS.map((mark) => `${states.filter((state) => state === mark).length} ${mark}`).join(', ')}\n`;
}

export function isSound(parts: readonly PartFindings[]): boolean {
  return parts.every(({ findings }) => findings.every(({ state }) => state !== 'failed'));
}

export function documentOf(parts: readonly PartFindings[]): Readonly<Record<string, unknown>> {
  const checks = parts.flatMap(({ part, findings }) => findings.map((finding) => ({ part, ...finding })));
  return { v: 1, ok: isSound(parts), checks };
}
