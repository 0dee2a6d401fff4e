/**
 * The product itself, as a benchmark drives it: its ledger on real files, its sender and its link to a real broker, put
 * together without sensors and presence.
 */
import { readFileSync } from 'node:fs';
import { topicsOf } from '../../src/broker/topics.ts';
import { Sender } from '../../src/delivery/sender.ts';
import type { DurableFile } from '../../src/ledger/files.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { systemBoot } from '../../src/platform/boot.ts';
import { systemChance } from '../../src/platform/chance.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { ledgerFiles } from '../../src/platform/ledger-files.ts';
import { type LinkCredentials, mqttLinkOpener } from '../../src/platform/mqtt-link.ts';
import type { Clock, EventDraft } from '../../src/ports.ts';
import type { Link } from '../../src/ports-broker.ts';

export const DEVICE = 'pump-42';
const PREFIX = 'fp/v1';
export const SEGMENT_BYTES = 4 * 1024 * 1024;

/** Paths of PEM files. */
export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export const complaining = {
  error: console.error,
  warn: console.error,
  info: (): void => undefined,
  debug: (): void => undefined,
};

export interface LedgerSetting {
  readonly directory: string;
  readonly maxBytes: number;
  readonly clock?: Clock;
  readonly retainMs?: number;
  readonly commitWindowMs?: number;
  /** A synced write is done; it took so long. The ledger hears of it when this has resolved. */
  readonly onSynced?: (ms: number) => void | Promise<void>;
}

export function makeLedger({ directory, maxBytes, onSynced, ...setting }: LedgerSetting): Ledger {
  const { clock = systemClock, retainMs = 1e12, commitWindowMs = 0 } = setting;
  const files = ledgerFiles(directory);
  const openDurable = async (name: string): Promise<DurableFile> => {
    const file = await files.openDurable(name);
    const write = async (bytes: Buffer, at: number): Promise<void> => {
      const from = performance.now();
      await file.write(bytes, at);
      await onSynced?.(performance.now() - from);
    };
    return { write, close: () => file.close() };
  };
  return new Ledger({
    files: onSynced === undefined ? files : { ...files, openDurable },
    clock,
    chance: systemChance,
    boot: systemBoot(),
    log: complaining,
    device: DEVICE,
    segmentBytes: SEGMENT_BYTES,
    maxBytes,
    retainMs,
    commitWindowMs,
  });
}

export interface Connected {
  readonly sender: Sender;
  readonly link: Link;
}

export interface ConnectOptions {
  readonly ledger: Ledger;
  readonly url: string;
  readonly tls: TlsFiles | undefined;
  readonly window: number;
  /** Acknowledgements were taken out of a chunk, or the socket takes bytes again. */
  readonly onProgress: (sender: Sender) => void;
}

/** Connects with a new session, marks it on disk and lets the sender begin. */
export async function connect(options: ConnectOptions): Promise<Connected> {
  const { ledger, url, tls, window, onProgress } = options;
  const topics = topicsOf(PREFIX, DEVICE);
  const fail = (why: string): void => {
    console.error(why);
    process.exitCode = 1;
  };
  const sender = new Sender({
    ledger,
    clock: systemClock,
    chance: systemChance,
    log: complaining,
    topics,
    protocol: 5,
    windowMax: window,
    onSessionOver: fail,
    onSessionLost: fail,
  });
  const opening = await mqttLinkOpener(() => credentialsOf(tls)).open(
    {
      url,
      protocol: 5,
      clientIdentifier: DEVICE,
      cleanStart: true,
      keepAliveMs: 60_000,
      sessionExpiryMs: 3_600_000,
      connectTimeoutMs: 10_000,
      will: { topic: topics.status, payload: Buffer.from('{}'), delayMs: 0 },
    },
    {
      inbound: (chunk) => {
        const rest = sender.inbound(chunk);
        onProgress(sender);
        return rest;
      },
      drained: () => sender.drained(),
      message: () => undefined,
      ended: ({ word, text }) => {
        if (word !== 'own.ended') fail(`link ended: ${word}: ${text}`);
      },
    },
  );
  if (opening.kind === 'refused') throw new Error(`no link: ${opening.end.word}: ${opening.end.text}`);
  const life = ledger.drainingLife;
  if (life === undefined) throw new Error('a ledger that is open has a life');
  const session = { broker: url, client: DEVICE, root: topics.root, life: life.ordinal };
  await ledger.markSession({ ...session, generation: (ledger.session?.generation ?? 0) + 1, phase: 'open' });
  sender.attach(opening.link, ledger.session?.generation ?? 1, life.ordinal);
  return { sender, link: opening.link };
}

/** A sale as the pump of README.md makes it. `dedupe`: with the sensor's own number, against which repeats are judged. */
export function sale(number: number, dedupe: boolean): EventDraft {
  const value = `${number % 100}.${String(number % 1000).padStart(3, '0')}`;
  const draft = {
    sensor: 'pump',
    stream: 'sale',
    type: 'delivery',
    data: { volume: { value, unit: 'l', quality: 'good' } },
  } as const;
  return dedupe ? { ...draft, source: { epoch: 'a1', seq: String(number) } } : draft;
}

function credentialsOf(tls: TlsFiles | undefined): LinkCredentials {
  return {
    ca: tls && readFileSync(tls.ca),
    cert: tls && readFileSync(tls.cert),
    key: tls && readFileSync(tls.key),
    crl: undefined,
    certificate: undefined,
    username: undefined,
    password: undefined,
  };
}
