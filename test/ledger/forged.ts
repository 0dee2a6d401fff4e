/**
 * Ledgers with signed events, real ones and forged ones, for the tests of verification: what somebody without any key can
 * make of a ledger or of its export, with all checksums, hashes and lines in order.
 */
import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { exportLedger, verifyExport } from '../../src/cli/ledger-export.ts';
import { eventHash } from '../../src/ledger/event.ts';
import type { ExportPart, ExportVerdict } from '../../src/ledger/export.ts';
import { KeyRing } from '../../src/ledger/key-ring.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { type VerifyingKey, verifyingKey } from '../../src/ledger/signature.ts';
import { type Verdict, verifyLedger } from '../../src/ledger/verify.ts';
import { viewLedger } from '../../src/ledger/view.ts';
import { eventSigner } from '../../src/platform/event-signer.ts';
import { ledgerReader } from '../../src/platform/ledger-files.ts';
import type { EventSigner } from '../../src/ports.ts';
import { appendSales, openLedger, quietLog, temporaryDirectory } from './rig.ts';
import { segmentNames } from './sample.ts';

export const SEGMENT_BYTES = 16 * 1024;

export interface Home {
  readonly directory: string;
  readonly file: string;
  readonly signer: (name: string) => EventSigner;
}

export async function makeHome(t: TestContext): Promise<Home> {
  const home = await temporaryDirectory(t);
  const signer = (name: string): EventSigner => eventSigner(join(home, name), 'ed25519', quietLog());
  return { directory: join(home, 'ledger'), file: join(home, 'export'), signer };
}

/** One life of the agent: sales, a few at a time, so that there are many commits. */
export async function sell(
  directory: string,
  signer: EventSigner | undefined,
  from: number,
  through: number,
  also: (ledger: Ledger) => void = () => undefined,
): Promise<void> {
  const ledger = await openLedger(directory, {
    segmentBytes: SEGMENT_BYTES,
    ...(signer === undefined ? {} : { signer }),
  });
  also(ledger);
  for (let seq = from; seq <= through; seq += 3) await appendSales(ledger, seq, Math.min(through, seq + 2));
  await ledger.close();
}

/** As retention leaves it: `keep` segments stay, and all in the others was handed over. */
export async function retired(directory: string, keep: number, signer: EventSigner | undefined): Promise<void> {
  await sell(directory, signer, 1, 0, (ledger) => {
    for (const { ordinal, first, last } of ledger.settlement.lives) {
      for (let seq = first; seq <= last; seq += 1) ledger.handOver(ordinal, seq);
    }
  });
  for (const name of (await segmentNames(directory)).slice(0, -keep)) await rm(join(directory, name));
}

export function pin(...signers: readonly EventSigner[]): readonly VerifyingKey[] {
  return signers.map(({ publicKey }) => verifyingKey(Buffer.from(publicKey, 'base64')));
}

export async function verifiedDirectory(directory: string, pins: readonly VerifyingKey[] = []): Promise<Verdict> {
  const files = ledgerReader(directory);
  const view = await viewLedger(files, () => Promise.resolve());
  return verifyLedger(files, view, () => undefined, new KeyRing(pins));
}

/** Exports the ledger, or a part of it, and checks the file. */
export async function exported(
  { directory, file }: Home,
  signer: EventSigner | undefined,
  pins: readonly VerifyingKey[] = [],
  part?: ExportPart,
): Promise<ExportVerdict> {
  const files = ledgerReader(directory);
  const view = await viewLedger(files, () => Promise.resolve());
  const { from = 1, through = Number.MAX_SAFE_INTEGER, epoch: only } = part ?? {};
  const wanted = ({ seq, epoch }: { readonly seq: number; readonly epoch: string }): boolean =>
    seq >= from && seq <= through && epoch === (only ?? epoch);
  await exportLedger({ files, view, out: file, wanted, part, signer });
  return verifyExport(file, pins);
}

export interface EventLine {
  readonly epoch: string;
  readonly seq: number;
  readonly [member: string]: unknown;
}

/** The head and the events of an exported file. */
export async function linesOf(file: string): Promise<{ readonly head: object; readonly events: readonly string[] }> {
  const [head = '', ...events] = (await readFile(file, 'utf8')).trimEnd().split('\n');
  return { head: JSON.parse(head) as object, events: events.slice(0, -1) };
}

/** An export as anybody can write it: the head says what is in it, and nobody signs the trailer. */
export async function forgeExport(file: string, head: object, events: readonly string[], trailer = {}): Promise<void> {
  const epochs: { epoch: string; first: number; last: number; prev: unknown }[] = [];
  for (const line of events) {
    const { epoch, seq, prev } = JSON.parse(line) as EventLine;
    const here = epochs.at(-1);
    if (here?.epoch === epoch) here.last = seq;
    else epochs.push({ epoch, first: seq, last: seq, prev });
  }
  const body = [JSON.stringify({ ...head, epochs }), ...events].map((line) => `${line}\n`).join('');
  const sha256 = createHash('sha256').update(body).digest('base64url');
  const end = JSON.stringify({ fieldpost: 'trailer', events: events.length, sha256, ...trailer });
  await writeFile(file, `${body}${end}\n`);
}

/** The events with `change` made to each from place `from` on, and all behind chained anew. */
export function rewritten(
  events: readonly string[],
  from: number,
  change: (event: Record<string, unknown>) => void,
): readonly string[] {
  const made = events.slice(0, from);
  for (const line of events.slice(from)) {
    const event = JSON.parse(line) as Record<string, unknown>;
    const before = made.at(-1);
    event['prev'] = before === undefined || event['seq'] === 1 ? '' : eventHash(Buffer.from(before));
    change(event);
    made.push(JSON.stringify(event));
  }
  return made;
}
