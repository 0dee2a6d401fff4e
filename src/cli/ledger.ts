/**
 * `fieldpost ledger list|stat|verify|export`: looks into a ledger. It only reads, takes no lock, and works beside a running
 * agent or on a directory that was copied from a device. `verify FILE` checks an export.
 */
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Fault, reasonOf } from '../fault.ts';
import type { StoredEvent } from '../ledger/event.ts';
import type { ExportPart, ExportProblem, ExportVerdict } from '../ledger/export.ts';
import type { LedgerReader } from '../ledger/files.ts';
import { KeyRing } from '../ledger/key-ring.ts';
import type { VerifyingKey } from '../ledger/signature.ts';
import type { KeyChange } from '../ledger/signing-order.ts';
import { pendingCount } from '../ledger/state.ts';
import { type Verdict, verifyLedger } from '../ledger/verify.ts';
import { fateOf, type LedgerView, viewedEvents, viewLedger } from '../ledger/view.ts';
import { existingSigner } from '../platform/event-signer.ts';
import { ledgerReader } from '../platform/ledger-files.ts';
import { loadConfig } from './config-file.ts';
import { EXIT } from './exit.ts';
import { stateDirectoryOf } from './credentials.ts';
import { exportLedger, readPinnedKeys, verifyExport } from './ledger-export.ts';

const OPTIONS = {
  dir: { type: 'string' },
  config: { type: 'string' },
  json: { type: 'boolean', default: false },
  from: { type: 'string' },
  through: { type: 'string' },
  epoch: { type: 'string' },
  key: { type: 'string', multiple: true },
  out: { type: 'string' },
  state: { type: 'string' },
} as const;

/** Problems that a person is shown; all are in the JSON document. */
const PROBLEMS_SHOWN = 20;

interface Look {
  readonly files: LedgerReader;
  readonly view: LedgerView;
  readonly directory: string;
  readonly json: boolean;
}

const SUB_COMMANDS = ['list', 'stat', 'verify', 'export'] as const;

export async function ledgerCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  const [what, ...rest] = positionals;
  const [file, ...more] = what === 'verify' ? rest : [undefined, ...rest];
  if (!SUB_COMMANDS.some((known) => known === what)) {
    throw new Fault('usage', `must be followed by list, stat, verify or export, got ${JSON.stringify(what ?? '')}`);
  }
  if (more.length > 0) throw new Fault('usage', `takes one sub-command, got also ${JSON.stringify(more[0])}`);
  const pinned = readPinnedKeys(values.key);
  if (file !== undefined) return verifyFile(file, pinned, values.json);
  const from = sequenceOf('--from', values.from, 1);
  const through = sequenceOf('--through', values.through, Number.MAX_SAFE_INTEGER);
  const directory = directoryOf(values.dir, values.config);
  const files = ledgerReader(directory);
  const view = await look(files, directory);
  const seen = { files, view, directory, json: values.json };
  const wanted = ({ seq, epoch }: StoredEvent): boolean =>
    seq >= from && seq <= through && epoch === (values.epoch ?? epoch);
  if (what === 'stat') return stat(seen);
  if (what === 'verify') return verify(seen, pinned);
  if (what === 'export') {
    const { from: low, through: high, epoch } = values;
    const part = {
      ...(low === undefined ? {} : { from }),
      ...(high === undefined ? {} : { through }),
      ...(epoch === undefined ? {} : { epoch }),
    };
    const stateDirectory = keyDirectoryOf(values.state, values.config);
    return exportTo(seen, wanted, Object.keys(part).length === 0 ? undefined : part, values.out, stateDirectory);
  }
  return list(seen, wanted);
}

/** Where the key that signs is, when it is known: then the export's trailer is signed too. */
function keyDirectoryOf(state: string | undefined, config: string | undefined): string | undefined {
  if (state !== undefined || config === undefined) return state;
  const loaded = loadConfig(config);
  if (loaded.kind === 'invalid') return undefined;
  return stateDirectoryOf(loaded.config);
}

async function exportTo(
  { files, view, directory, json }: Look,
  wanted: (event: StoredEvent) => boolean,
  part: ExportPart | undefined,
  out: string | undefined,
  stateDirectory: string | undefined,
): Promise<number> {
  if (out === undefined) throw new Fault('usage', 'needs --out FILE');
  const signer = stateDirectory === undefined ? undefined : existingSigner(stateDirectory);
  const events = await exportLedger({ files, view, out, wanted, part, signer });
  const facts = { out, events, dir: directory, signer: signer?.keyId ?? null };
  const signed = signer === undefined ? 'not signed (no key)' : `signed by ${signer.keyId}`;
  await put(json ? `${JSON.stringify(facts)}\n` : `${out}: ${events} events of ${directory}, ${signed}\n`);
  return EXIT.done;
}

async function verifyFile(file: string, pinned: readonly VerifyingKey[], json: boolean): Promise<number> {
  const verdict = await verifyExport(file, pinned);
  const [first] = verdict.problems;
  if (json) {
    const firstBad = first === undefined ? null : { epoch: first.epoch, seq: first.seq };
    await put(`${JSON.stringify({ ...verdict, file, first_bad: firstBad })}\n`);
  } else await put(exportText(file, verdict));
  return verdict.ok ? EXIT.done : EXIT.failed;
}

function exportText(file: string, verdict: ExportVerdict): string {
  const { device, events, epochs, gaps, keys, part, signatures, signer, problems, more } = verdict;
  const hidden = more + Math.max(0, problems.length - PROBLEMS_SHOWN);
  const [first] = problems;
  const lines = [
    ...epochs.map((one) => `epoch ${one.epoch}: ${one.events} events, ${one.first} to ${one.last}`),
    ...gaps.map((gap) => `named gap: ${gap.epoch} ${gap.from} to ${gap.through} (${gap.why})`),
    ...keys.map(keyText),
    ...(part === undefined ? [] : [partText(part)]),
    ...problems
      .slice(0, PROBLEMS_SHOWN)
      .map((one) => `BAD: ${placeOf(one)}: ${one.what}${one.line === 0 ? '' : ` (line ${one.line})`}`),
    ...(hidden > 0 ? [`and ${hidden} more`] : []),
    signatureText(signatures),
    `export ${signer === '' ? 'is not signed' : `is signed by ${signer}`}`,
    first === undefined
      ? `${file}: sound: ${events} events${device === '' ? '' : ` of ${device}`}`
      : `${file}: bad, first ${firstPlace(first)}: ${events} events of ${device === '' ? 'no known device' : device}`,
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** A file that is no export, or that has nothing in it, has no event to name. */
function placeOf({ epoch, seq }: Pick<ExportProblem, 'epoch' | 'seq'>): string {
  return epoch === '' ? 'before any event' : `${epoch} seq ${seq}`;
}

function firstPlace(problem: Pick<ExportProblem, 'epoch' | 'seq'>): string {
  return problem.epoch === '' ? placeOf(problem) : `at ${placeOf(problem)}`;
}

/** Whoever reads it may know that the key was never changed. */
function keyText({ epoch, seq, key, old }: KeyChange): string {
  const before = old === '' ? '' : ` in the place of ${old}`;
  return `${key === '' ? 'nobody' : key} signs${before} from ${epoch} seq ${seq} on`;
}

function partText({ from = 1, through, epoch }: ExportPart): string {
  const upTo = through === undefined ? 'the end' : String(through);
  return `a part of the ledger: ${epoch === undefined ? 'every epoch' : `epoch ${epoch}`} from ${from} to ${upTo}`;
}

function signatureText({ good, unsigned, unknown }: ExportVerdict['signatures']): string {
  return `signatures: ${good} good, ${unsigned} unsigned, ${unknown} by keys that are not known here`;
}

function directoryOf(dir: string | undefined, config: string | undefined): string {
  if (dir !== undefined) return dir;
  if (config === undefined) throw new Fault('usage', 'needs --dir DIR, or --config device.json to take it from there');
  const loaded = loadConfig(config);
  if (loaded.kind === 'invalid') throw new Fault('config.invalid', loaded.text.trimEnd());
  return loaded.config.ledger.dir;
}

function sequenceOf(option: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const seq = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(seq)) return seq;
  throw new Fault('usage', `${option} must be a sequence number, got ${JSON.stringify(text)}`);
}

async function look(files: LedgerReader, directory: string): Promise<LedgerView> {
  let view: LedgerView;
  try {
    if (!statSync(directory).isDirectory()) throw new Error('is not a directory');
    view = await viewLedger(files, (ms) => pause(ms));
  } catch (error) {
    throw new Fault('ledger.disk', `ledger ${directory} can not be read: ${reasonOf(error)}`, { cause: error });
  }
  if (view.viewed.length > 0) return view;
  throw new Fault('ledger.disk', `ledger ${directory} can not be read: there is no segment (*.seg) in it`);
}

async function list({ files, view, json }: Look, wanted: (event: StoredEvent) => boolean): Promise<number> {
  if (!json) await put(tableRow(['EPOCH', 'SEQ', 'TIME', 'STREAM', 'TYPE', 'SENSOR', 'STATE']));
  for await (const event of viewedEvents(files, view)) {
    if (!wanted(event)) continue;
    if (json) await put(Buffer.concat([event.payload, Buffer.from('\n')]));
    else await put(rowOf(event, fateOf(view.state.life(event.life), event.seq)));
  }
  return EXIT.done;
}

function rowOf(event: StoredEvent, fate: string): string {
  const text = JSON.parse(event.payload.toString('utf8')) as { time: string; type: string; sensor: string };
  return tableRow([event.epoch, String(event.seq), text.time, event.stream, text.type, text.sensor, fate]);
}

function tableRow(cells: readonly string[]): string {
  const widths = [8, 10, 24, 12, 16, 12, 0];
  const padded = cells.map((cell, at) => (at === 1 ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)));
  return `${padded.join('  ').trimEnd()}\n`;
}

async function stat({ view, directory, json }: Look): Promise<number> {
  const { state, viewed } = view;
  const sources = state.sources.snapshot();
  const unsent = state.lives.reduce((sum, life) => sum + pendingCount(life), 0);
  const dead = state.lives.reduce((sum, life) => sum + life.dead.size, 0);
  const facts = {
    dir: directory,
    epoch: state.live?.epoch ?? '',
    first: state.live?.first ?? 0,
    last: state.live?.last ?? 0,
    unsent,
    dead,
    bytes: viewed.reduce((sum, segment) => sum + segment.bytes, 0),
    epochs: state.lives.map((life) => ({
      epoch: life.epoch,
      first: life.first,
      last: life.last,
      unsent: pendingCount(life),
      released: life.released.size,
      dead: life.dead.size,
    })),
    segments: viewed.map(({ name, bytes, epoch, baseSeq }) => ({ name, bytes, epoch, base: baseSeq })),
    sources: sources.map(([sensor, epochs]) => ({ sensor, epochs: epochs.map(([epoch]) => epoch) })),
    session: state.session ?? null,
    damage: view.damage.map(({ segment, at, end, what }) => ({ segment, at, end, what })),
    unnamed: state.unnamed,
  };
  if (json) {
    await put(`${JSON.stringify(facts)}\n`);
    return EXIT.done;
  }
  const lines = [
    `ledger ${directory}: epoch ${facts.epoch}, sequences ${facts.first} to ${facts.last}, ${unsent} unsent, ${dead} dead`,
    `segments ${facts.segments.length}, ${facts.bytes} bytes on disk`,
    ...facts.epochs.map(
      (one) => `epoch ${one.epoch}: ${one.first} to ${one.last}, ${one.unsent} unsent, ${one.dead} dead`,
    ),
    ...facts.sources.map((one) => `sensor ${one.sensor}: own epochs ${one.epochs.join(' ')}`),
    facts.session === null
      ? 'no broker session yet'
      : `broker session ${facts.session.generation} (${facts.session.phase}) as ${facts.session.client} at ${facts.session.broker}`,
    ...facts.damage.map((one) => `${one.segment}: bytes ${one.at} to ${one.end}: ${one.what}`),
  ];
  await put(lines.map((line) => `${line}\n`).join(''));
  return EXIT.done;
}

async function verify({ files, view, directory, json }: Look, pinned: readonly VerifyingKey[]): Promise<number> {
  const progress = process.stderr.isTTY && !json;
  const onSegment = (done: number, of: number): void => {
    if (progress) process.stderr.write(`\rsegment ${done} of ${of}${done === of ? '\n' : ''}`);
  };
  const verdict = await verifyLedger(files, view, onSegment, new KeyRing(pinned));
  const [first] = verdict.problems;
  if (json) {
    const firstBad = first === undefined ? null : { epoch: first.epoch, seq: first.seq };
    await put(`${JSON.stringify({ ...verdict, dir: directory, first_bad: firstBad })}\n`);
  } else await put(verdictText(directory, verdict));
  return verdict.ok ? EXIT.done : EXIT.failed;
}

function verdictText(directory: string, verdict: Verdict): string {
  const { events, segments, bytes, epochs, gaps, keys, problems, more } = verdict;
  const lines = [
    ...epochs.map((one) => `epoch ${one.epoch}: ${one.events} events, ${one.first} to ${one.last}`),
    ...gaps.map((gap) => `named gap: ${gap.epoch} ${gap.from} to ${gap.through} (${gap.why})`),
    ...keys.map(keyText),
    ...problems
      .slice(0, PROBLEMS_SHOWN)
      .map((one) => `DAMAGED: ${placeOf(one)}: ${one.what} (${one.segment} at byte ${one.at})`),
  ];
  const hidden = more + Math.max(0, problems.length - PROBLEMS_SHOWN);
  if (hidden > 0) lines.push(`and ${hidden} more`);
  if (verdict.signatures.good + verdict.signatures.unknown > 0) lines.push(signatureText(verdict.signatures));
  const size = `${events} events in ${segments} segments, ${bytes} bytes`;
  const [first] = problems;
  lines.push(
    first === undefined
      ? `ledger ${directory}: sound: ${size}`
      : `ledger ${directory}: damaged, first ${firstPlace(first)}: ${size}`,
  );
  return lines.map((line) => `${line}\n`).join('');
}

/** Waits for a slow reader of our output, so that a long list does not gather in memory. */
async function put(text: string | Buffer): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}
