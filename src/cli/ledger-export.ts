/**
 * `fieldpost ledger export --out F`: the events of a ledger as one file that is checked anywhere; and the check of such a
 * file, `fieldpost ledger verify F`. The file is written beside its name and takes its place when it is whole.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream, readFileSync, renameSync, rmSync } from 'node:fs';
import { createPublicKey } from 'node:crypto';
import { Fault, reasonOf, systemCodeOf } from '../fault.ts';
import type { StoredEvent } from '../ledger/event.ts';
import {
  encodeExportHead,
  encodeExportTrailer,
  ExportCheck,
  type ExportedEpoch,
  type ExportPart,
  type ExportVerdict,
} from '../ledger/export.ts';
import type { LedgerReader } from '../ledger/files.ts';
import { type VerifyingKey, verifyingKey } from '../ledger/signature.ts';
import { type LedgerView, viewedEvents } from '../ledger/view.ts';
import type { EventSigner } from '../ports.ts';

/** An event is at most 64 KiB; a line beyond this is of another file. */
const LINE_BYTES_MAX = 128 * 1024;

export interface ExportRequest {
  readonly files: LedgerReader;
  readonly view: LedgerView;
  readonly out: string;
  readonly wanted: (event: StoredEvent) => boolean;
  /** What `wanted` asks for; undefined: all. */
  readonly part: ExportPart | undefined;
  readonly signer: EventSigner | undefined;
}

interface EventText {
  readonly device: string;
  readonly prev: string;
  readonly stream: string;
  readonly type: string;
  readonly data: Readonly<Record<string, { readonly value: string } | undefined>>;
}

/** Resolves with the number of events. Throws Fault `ledger.disk` when the file can not be written. */
export async function exportLedger(request: ExportRequest): Promise<number> {
  const head = await headOf(request);
  const fresh = `${request.out}.new`;
  const stream = createWriteStream(fresh, { mode: 0o640, flush: true });
  const failed = once(stream, 'error').then(([error]) => {
    throw new Fault('ledger.disk', `export ${request.out}: ${reasonOf(error)}`, { cause: error });
  });
  try {
    const events = await Promise.race([writeAll(stream, head, request), failed]);
    renameSync(fresh, request.out);
    return events;
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
}

async function writeAll(stream: NodeJS.WritableStream, head: Buffer, request: ExportRequest): Promise<number> {
  const sum = createHash('sha256');
  let events = 0;
  const put = async (bytes: Buffer): Promise<void> => {
    sum.update(bytes);
    if (!stream.write(bytes)) await once(stream, 'drain');
  };
  await put(head);
  for await (const event of viewedEvents(request.files, request.view)) {
    if (!request.wanted(event)) continue;
    await put(Buffer.concat([event.payload, Buffer.from('\n')]));
    events += 1;
  }
  stream.end(encodeExportTrailer(events, sum.digest('base64url'), request.signer));
  await once(stream, 'finish');
  return events;
}

/** A first walk: which epochs are exported, from where, and which keys signed them. */
async function headOf({ files, view, wanted, part, signer }: ExportRequest): Promise<Buffer> {
  const epochs: { epoch: string; first: number; last: number; prev: string }[] = [];
  const keys = new Map<string, { key: string; algorithm: string; public: string }>();
  let device = '';
  for await (const event of viewedEvents(files, view)) {
    const text = JSON.parse(event.payload.toString('utf8')) as EventText;
    if (text.stream === 'agent' && text.type === 'ledger.key') addKey(keys, text.data);
    if (!wanted(event)) continue;
    device = text.device;
    const here: ExportedEpoch | undefined = epochs.at(-1);
    if (here?.epoch === event.epoch) epochs[epochs.length - 1] = { ...here, last: event.seq };
    else epochs.push({ epoch: event.epoch, first: event.seq, last: event.seq, prev: text.prev });
  }
  const { key, keyPublic } = view.state;
  if (key !== '' && !keys.has(key)) keys.set(key, { key, algorithm: '', public: keyPublic });
  if (signer !== undefined)
    keys.set(signer.keyId, { key: signer.keyId, algorithm: signer.algorithm, public: signer.publicKey });
  const torn = view.state.unnamed
    .filter(({ why }) => why === 'torn')
    .map(({ epoch, from, through }) => ({ epoch, from, through }));
  return encodeExportHead({
    device,
    exported: new Date().toISOString(),
    epochs,
    keys: [...keys.values()],
    ...(part === undefined ? {} : { part }),
    ...(torn.length === 0 ? {} : { torn }),
  });
}

function addKey(keys: Map<string, { key: string; algorithm: string; public: string }>, data: EventText['data']): void {
  const value = (name: string): string => data[name]?.value ?? '';
  // The event that named the older key may be long dropped: then only its name is left.
  const old = value('old_key');
  if (old !== '' && !keys.has(old)) keys.set(old, { key: old, algorithm: '', public: '' });
  if (value('key') !== '')
    keys.set(value('key'), { key: value('key'), algorithm: value('algorithm'), public: value('public') });
}

/** Throws Fault `ledger.disk` when the file can not be read. */
export async function verifyExport(path: string, pinned: readonly VerifyingKey[]): Promise<ExportVerdict> {
  const check = new ExportCheck(pinned);
  let rest = Buffer.alloc(0);
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      let bytes = Buffer.concat([rest, chunk]);
      for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10)) {
        check.line(bytes.subarray(0, end));
        bytes = bytes.subarray(end + 1);
      }
      // What is no export may have no line end at all: its memory is bounded, and the line is wrong in any case.
      rest = Buffer.from(bytes.length > LINE_BYTES_MAX ? bytes.subarray(0, LINE_BYTES_MAX) : bytes);
    }
  } catch (error) {
    const isDirectory = systemCodeOf(error) === 'EISDIR';
    const reason = isDirectory ? `is a directory; for a ledger say --dir ${path}` : reasonOf(error);
    throw new Fault('ledger.disk', `export ${path} can not be read: ${reason}`, { cause: error });
  }
  if (rest.length > 0) check.line(rest);
  return check.verdict();
}

/** What `--key` gives, once or several times. */
export function readPinnedKeys(given: readonly string[] | undefined): readonly VerifyingKey[] {
  return (given ?? []).map((one) => readPinnedKey(one));
}

/** A public key: a PEM file, or SubjectPublicKeyInfo in base64 as `up/info` and `ledger.key` give it. */
function readPinnedKey(given: string): VerifyingKey {
  try {
    const base64 = /^[A-Za-z0-9+/]{40,}=*$/.test(given);
    const spki = base64
      ? Buffer.from(given, 'base64')
      : createPublicKey(readFileSync(given)).export({ format: 'der', type: 'spki' });
    return verifyingKey(spki);
  } catch (error) {
    throw new Fault(
      'usage',
      `--key: must be a public key, Ed25519 or P-256, as a PEM file or in base64: ${reasonOf(error)}`,
    );
  }
}
