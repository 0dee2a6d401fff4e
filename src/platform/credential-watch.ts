/**
 * Watches the files that a link proves itself with. Renewed ones are judged before the link is touched: a pair that does
 * not belong together (half of a renewal), or that the broker refuses, is told and tried again, and the link stays as it is.
 * A change is noticed at once where inotify says so, and within a minute in any case.
 */
import { createHash } from 'node:crypto';
import { type FSWatcher, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { reasonOf } from '../fault.ts';
import type { Clock, Log, Timer } from '../ports.ts';
import type { Renewal } from '../ports-broker.ts';
import type { CertificateFacts } from './identity.ts';
import type { LinkCredentials } from './mqtt-link.ts';
import { placeOf } from './private-files.ts';

/** A few stat(2) each time, milliseconds. */
const LOOK_MS = 60_000;
/** Between a change and the look at it: a renewal writes several files. */
const SETTLE_MS = 1000;
/** Looks between two handshakes with files that the broker has refused. */
const REFUSED_LOOKS = 10;

export interface CredentialWatchOptions {
  /** As device.json names them. */
  readonly files: readonly string[];
  /** Reads and judges them; throws what is wrong. */
  readonly load: () => LinkCredentials;
  readonly clock: Clock;
  readonly log: Log;
}

export class CredentialWatch implements Renewal {
  readonly #options: CredentialWatchOptions;
  #renew: Parameters<Renewal['start']>[0] = () => Promise.resolve(undefined);
  #changed: () => void = () => undefined;
  readonly #watchers: FSWatcher[] = [];
  #timer: Timer | undefined;
  #soon = false;
  #over = false;
  /** Of the files, and of what is in them, that a link was last opened with. */
  #stamp = '';
  #digest = '';
  #certificate: CertificateFacts | undefined;
  #shown: string | undefined;
  #trouble: { readonly text: string; readonly stamp: string; looks: number } | undefined;

  constructor(options: CredentialWatchOptions) {
    this.#options = options;
  }

  get trouble(): string | undefined {
    return this.#trouble?.text;
  }

  /** Ours, as the newest link was tried with it. */
  get certificate(): CertificateFacts | undefined {
    return this.#certificate;
  }

  get shown(): string | undefined {
    return this.#shown;
  }

  /** Reads the files for a link that is about to open. */
  take(): LinkCredentials {
    const stamp = this.#stampNow();
    const credentials = this.#options.load();
    this.#stamp = stamp;
    this.#digest = digestOf(credentials);
    this.#certificate = credentials.certificate;
    const { cert } = credentials;
    this.#shown = cert === undefined ? undefined : createHash('sha256').update(cert).digest('hex');
    return credentials;
  }

  start(renew: Parameters<Renewal['start']>[0], changed: () => void): void {
    this.#renew = renew;
    this.#changed = changed;
    const folders = new Set(this.#options.files.map((file) => dirname(placeOf(file).path)));
    for (const folder of folders) this.#watchFolder(folder);
    this.#lookAfter(LOOK_MS);
  }

  stop(): void {
    this.#over = true;
    this.#timer?.cancel();
    for (const watcher of this.#watchers) watcher.close();
  }

  /** Best effort: without it the next look finds the same. */
  #watchFolder(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#lookSoon());
      watcher.on('error', () => undefined);
      this.#watchers.push(watcher);
    } catch {
      // No such folder, no right to read it, no watches left.
    }
  }

  #lookSoon(): void {
    if (this.#soon || this.#over) return;
    this.#soon = true;
    this.#lookAfter(SETTLE_MS);
  }

  #lookAfter(ms: number): void {
    if (this.#over) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(ms, () => {
      this.#soon = false;
      this.#lookAndGoOn().catch(() => undefined);
    });
  }

  async #lookAndGoOn(): Promise<void> {
    await this.#look();
    if (!this.#soon) this.#lookAfter(LOOK_MS);
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const stamp = this.#stampNow();
    if (stamp === this.#stamp) return this.#tell(undefined);
    const known = this.#trouble;
    if (known?.stamp === stamp && (known.looks += 1) % REFUSED_LOOKS !== 0) return;
    try {
      if (digestOf(this.#options.load()) === this.#digest) {
        this.#stamp = stamp;
        return this.#tell(undefined);
      }
      const refused = await this.#renew();
      this.#tell(refused === undefined ? undefined : { text: refused.text, stamp });
    } catch (error) {
      this.#tell({ text: reasonOf(error), stamp });
    }
  }

  #tell(trouble: { readonly text: string; readonly stamp: string } | undefined): void {
    const before = this.#trouble;
    if (before === undefined && trouble === undefined) return;
    this.#trouble = trouble === undefined ? undefined : { ...trouble, looks: 0 };
    if (before?.text === trouble?.text) return;
    if (trouble === undefined) this.#options.log.info('renewed files of the identity: no trouble any more');
    else this.#options.log.warn('renewed files of the identity are not used', { reason: trouble.text });
    this.#changed();
  }

  #stampNow(): string {
    return this.#options.files.map((file) => stampOf(placeOf(file).path)).join(' ');
  }
}

function stampOf(path: string): string {
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(path);
    return [ino, size, mtimeMs, ctimeMs].join(':');
  } catch {
    return '-';
  }
}

function digestOf({ ca, cert, key, crl, psk, password }: LinkCredentials): string {
  const hash = createHash('sha256');
  for (const file of [ca, cert, key, crl, psk?.key, password]) hash.update(`${file?.length ?? -1} `).update(file ?? '');
  return hash.digest('base64');
}
