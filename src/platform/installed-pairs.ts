/**
 * Keys and certificates that came by command, in a directory of the agent's own: a key is made here and never leaves, its
 * certificate comes back, and one small file, `installed.json`, says which pair is used. That file is the only commit
 * point: until it is replaced, the pair before holds, whatever else lies in the directory.
 */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, statSync, unlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import * as v from 'valibot';
import { Fault, reasonOf, systemCodeOf } from '../fault.ts';
import type { DevicePairs, Log, StagedPair } from '../ports.ts';
import { certificateRequest } from './certificate-request.ts';
import { removeDurably, syncFile, writeDurably } from './durable-file.ts';
import { CERTIFICATE_BLOCK, type CertificateFacts, type IdentityFiles, loadIdentity } from './identity.ts';

/** Keys that wait for a certificate: one, and one that was asked for by mistake before it. */
const WAITING_MAX = 2;
const CHAIN_BYTES_MAX = 32 * 1024;
const CHAIN_MAX = 8;
const FILE_BYTES_MAX = 64 * 1024;

const pairSchema = v.strictObject({
  /** File names in the directory. */
  cert: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}\.pem$/)),
  key: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}\.key$/)),
  /** Id of the command that installed it. */
  command: v.string(),
});
const installedSchema = v.strictObject({ v: v.literal(1), active: pairSchema, previous: v.nullable(pairSchema) });

type PairFiles = Omit<v.InferOutput<typeof pairSchema>, 'command'>;
type Installed = v.InferOutput<typeof installedSchema>;

interface UsablePair {
  readonly files: IdentityFiles;
  readonly facts: CertificateFacts | undefined;
}

export interface InstalledPairsOptions {
  /** The certificate and key of the configuration, which installed ones may take the place of; undefined: there are none. */
  readonly configured: IdentityFiles | undefined;
  /** `tls` in the directory of small state. */
  readonly directory: string;
  readonly device: string;
  readonly log: Log;
}

export class InstalledPairs implements DevicePairs {
  readonly #options: InstalledPairsOptions;
  #installed: Installed | undefined;
  #trial: PairFiles | undefined;
  /** From when it is judged until it is installed or dropped. */
  #staged: PairFiles | undefined;
  #isOtherTold = false;

  constructor(options: InstalledPairsOptions) {
    this.#options = options;
    this.#installed = this.#read();
  }

  get installed(): DevicePairs['installed'] {
    if (this.#installed === undefined) return undefined;
    const { command, ...files } = this.#installed.active;
    const pem = readFileSync(this.#paths(files).cert, 'utf8');
    const [own] = parseChain(pem);
    return { command, pair: stagedPair(this.#paths(files), own, pem) };
  }

  /**
   * The files of a connection: a pair on trial, else the installed one, else those of the configuration. Of the installed
   * and the configured one the certificate that was issued later counts: who puts new files there by hand means them. An
   * installed one is for the device.id of its day; one that names the present device counts before it (a copied state).
   */
  filesFor(configured: IdentityFiles): IdentityFiles {
    if (this.#trial !== undefined) return { ...configured, ...this.#paths(this.#trial) };
    const installed = this.#usable(configured);
    if (installed === undefined) return configured;
    let own: CertificateFacts | undefined;
    try {
      own = loadIdentity(configured).certificate;
    } catch {
      // What is configured is gone, or not handed over: the installed pair does not need it.
      return installed.files;
    }
    const { device } = this.#options;
    if (own?.commonName === device && installed.facts?.commonName !== device) {
      this.#tellOther(installed.facts?.commonName);
      return configured;
    }
    return issuedMs(own) > issuedMs(installed.facts) ? configured : installed.files;
  }

  /** Once: the files are asked for at each connection. */
  #tellOther(commonName: string | undefined): void {
    const { log, device } = this.#options;
    if (!this.#isOtherTold) {
      log.warn('installed certificate is for another device: the configured one counts', {
        common_name: commonName,
        device,
      });
    }
    this.#isOtherTold = true;
  }

  /** The installed pair, or the one before it where that can not be read any more. */
  #usable(configured: IdentityFiles): UsablePair | undefined {
    for (const pair of [this.#installed?.active, this.#installed?.previous]) {
      if (pair === undefined || pair === null) continue;
      const files = { ...configured, ...this.#paths(pair) };
      try {
        return { files, facts: loadIdentity(files).certificate };
      } catch (error) {
        this.#options.log.error('installed certificate can not be used; the one before it counts', {
          reason: reasonOf(error),
        });
      }
    }
    return undefined;
  }

  /** A new key, and the request that asks an authority for its certificate. Throws Fault `state.disk`. */
  request(): { readonly csr: string; readonly key: string } {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const id = keyIdOf(privateKey);
    this.#write(`${id}.key`, privateKey.export({ format: 'pem', type: 'pkcs8' }).toString());
    this.#forget(id);
    return { csr: certificateRequest(privateKey, this.#options.device), key: id };
  }

  /**
   * Judges a certificate and its chain, and puts them beside their key. Throws Fault `certificate.invalid`, naming what was
   * found and expected; `state.disk`.
   */
  stage(pem: string): StagedPair {
    const { configured } = this.#options;
    if (configured === undefined) throw invalid('this device shows none: device.json has no broker.tls.cert');
    const [own] = parseChain(pem);
    refuseOlder(own, configured);
    const key = `${keyIdOf(own.publicKey)}.key`;
    const { device } = this.#options;
    const name: unknown = own.toLegacyObject().subject.CN;
    if (name !== device) throw invalid(`must be for the common name ${device}, got ${JSON.stringify(name) ?? 'none'}`);
    try {
      statSync(join(this.#options.directory, key));
    } catch (error) {
      if (systemCodeOf(error) !== 'ENOENT') throw error;
      throw invalid('must be for a key that certificate.csr made on this device and that still waits, got another one');
    }
    // By the chain too: the present certificate with another one is another file, and what is used stays as it is.
    const cert = `${digestOf(pem).slice(0, 16)}.pem`;
    this.#write(cert, pem);
    const files = { cert, key };
    // As the connection will: PEM, key and certificate of one pair, permissions.
    const paths = this.#paths(files);
    loadIdentity({ ca: paths.cert, ...paths });
    this.#staged = files;
    return stagedPair(paths, own, pem);
  }

  /** From now on connections are made with it, until `promote` or `drop`, and not after the end of the process. */
  try({ files }: StagedPair): void {
    this.#trial = namesOf(files);
  }

  /** The pair on trial is used from now on, for good; the one before is kept. Throws Fault `state.disk`. */
  promote({ files }: StagedPair, command: string): void {
    try {
      // It was read when it was staged, and may be gone: what is installed must be there.
      loadIdentity({ ca: files.cert, ...files });
    } catch (error) {
      throw new Fault('state.disk', `not installed: ${reasonOf(error)}`, { cause: error });
    }
    const installed: Installed = {
      v: 1,
      active: { ...namesOf(files), command },
      previous: this.#installed?.active ?? null,
    };
    this.#write('installed.json', `${JSON.stringify(installed)}\n`);
    this.#installed = installed;
    this.#trial = undefined;
    this.#staged = undefined;
    this.#forget(undefined);
  }

  /** Back to what holds; the certificate goes, its key may still wait for a better one. */
  drop({ files }: StagedPair): void {
    this.#trial = undefined;
    this.#staged = undefined;
    const { cert } = namesOf(files);
    // What the disk says: a write of it may have failed only after it was done, and another agent may have done one since.
    const installed = this.#read() ?? this.#installed;
    if (cert === installed?.active.cert || cert === installed?.previous?.cert) return;
    try {
      removeDurably(files.cert);
    } catch (error) {
      this.#options.log.warn('a certificate that was not taken could not be removed', { reason: reasonOf(error) });
    }
  }

  #paths({ cert, key }: PairFiles): { readonly cert: string; readonly key: string } {
    return { cert: join(this.#options.directory, cert), key: join(this.#options.directory, key) };
  }

  /** Synced before it is trusted (DESIGN 8.7). */
  #read(): Installed | undefined {
    const path = join(this.#options.directory, 'installed.json');
    try {
      syncFile(path);
      if (statSync(path).size > FILE_BYTES_MAX) throw new Error(`has more than ${FILE_BYTES_MAX} bytes`);
      return v.parse(installedSchema, JSON.parse(readFileSync(path, 'utf8')));
    } catch (error) {
      if (systemCodeOf(error) !== 'ENOENT') {
        this.#options.log.error('installed certificate is not known; the configured one counts', {
          path,
          reason: reasonOf(error),
        });
      }
      return undefined;
    }
  }

  #write(name: string, text: string): void {
    const path = join(this.#options.directory, name);
    try {
      writeDurably(path, text, 0o600);
    } catch (error) {
      throw new Fault('state.disk', `${path}: not written: ${reasonOf(error)}`, { cause: error });
    }
  }

  /** Keys and certificates that nothing needs any more. `fresh`: a key that has just been made. */
  #forget(fresh: string | undefined): void {
    const { directory, log } = this.#options;
    const pairs = [this.#installed?.active, this.#installed?.previous, this.#staged].flatMap((pair) => pair ?? []);
    const needed = new Set(['installed.json', ...pairs.flatMap(({ cert, key }) => [cert, key])]);
    try {
      const files = readdirSync(directory).filter((name) => !needed.has(name));
      const waiting = files
        .filter((name) => name.endsWith('.key') && name !== `${fresh}.key`)
        .map((name) => ({ name, madeMs: statSync(join(directory, name)).mtimeMs }))
        .sort((a, b) => b.madeMs - a.madeMs)
        .slice(WAITING_MAX - (fresh === undefined ? 0 : 1));
      const certificates = files.filter((name) => name.endsWith('.pem'));
      for (const name of [...waiting.map((each) => each.name), ...certificates]) unlinkSync(join(directory, name));
    } catch (error) {
      log.warn('keys that are no longer needed could not be removed', { reason: reasonOf(error) });
    }
  }
}

function namesOf({ cert, key }: StagedPair['files']): PairFiles {
  return { cert: basename(cert), key: basename(key) };
}

function stagedPair(files: StagedPair['files'], own: X509Certificate, pem: string): StagedPair {
  return {
    files,
    subject: own.subject.split('\n').join(', '),
    notBefore: new Date(own.validFrom).toISOString(),
    notAfter: new Date(own.validTo).toISOString(),
    fingerprint: own.fingerprint256,
    digest: digestOf(pem),
  };
}

/** The device's own certificate first; throws what is wrong with it or its chain. */
function parseChain(pem: string): readonly [X509Certificate, ...X509Certificate[]] {
  if (pem.length > CHAIN_BYTES_MAX) throw invalid(`must be at most ${CHAIN_BYTES_MAX} bytes, got ${pem.length}`);
  if (pem.includes('PRIVATE KEY')) throw invalid('must be certificates alone, got a private key');
  const blocks = pem.match(CERTIFICATE_BLOCK) ?? [];
  if (blocks.length > CHAIN_MAX) throw invalid(`must be at most ${CHAIN_MAX} certificates, got ${blocks.length}`);
  let chain: readonly X509Certificate[];
  try {
    chain = blocks.map((block) => new X509Certificate(block));
  } catch (error) {
    throw invalid(`must be certificates in PEM, got one that does not parse (${reasonOf(error)})`);
  }
  const [own, ...above] = chain;
  if (own === undefined) throw invalid('must be certificates in PEM (-----BEGIN CERTIFICATE-----), got none');
  if (own.ca) throw invalid("must begin with the device's own certificate, got one of an authority");
  for (const [at, issuer] of above.entries()) {
    if (chain[at]?.checkIssued(issuer) === true) continue;
    throw invalid(`must be in order: certificate ${at + 2} is not the issuer of certificate ${at + 1}`);
  }
  return [own, ...above];
}

/** Names a key: the first 16 hexadecimal digits of the sha256 of its public part (SubjectPublicKeyInfo). */
function keyIdOf(key: KeyObject): string {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const bytes = publicKey.export({ format: 'der', type: 'spki' });
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}

function digestOf(pem: string): string {
  return createHash('sha256').update(pem).digest('hex');
}

/** By the rule of `filesFor` the configured one would count all the same. */
function refuseOlder(own: X509Certificate, configured: IdentityFiles): void {
  let configuredMs: number;
  try {
    configuredMs = issuedMs(loadIdentity(configured).certificate);
  } catch {
    return;
  }
  const ownMs = Date.parse(own.validFrom);
  if (ownMs >= configuredMs) return;
  const [found, expected] = [ownMs, configuredMs].map((ms) => new Date(ms).toISOString());
  throw invalid(`must not begin before the configured one, which would go on to count (${expected}), got ${found}`);
}

function issuedMs(certificate: CertificateFacts | undefined): number {
  return certificate === undefined ? Number.NEGATIVE_INFINITY : Date.parse(certificate.notBefore);
}

function invalid(message: string): Fault {
  return new Fault('certificate.invalid', `certificate: ${message}`);
}
