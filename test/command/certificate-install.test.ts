/**
 * `certificate.install` on a real connection, with real pairs on disk and a broker in the test's hand, which answers each
 * attempt when the test says so: whatever comes in between, only what a link was made with and works is installed.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Connection } from '../../src/broker/connection.ts';
import { CertificateInstall } from '../../src/command/certificate-install.ts';
import { CommandFailure } from '../../src/command/command.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { CredentialWatch } from '../../src/platform/credential-watch.ts';
import { loadIdentity } from '../../src/platform/identity.ts';
import { InstalledPairs } from '../../src/platform/installed-pairs.ts';
import type { LinkCredentials } from '../../src/platform/mqtt-link.ts';
import type { Link, LinkEnd, LinkListener, LinkOpener } from '../../src/ports-broker.ts';
import { type CertificateAuthority, makeAuthority } from '../../src/workbench/certificates.ts';
import { QUIET_TRAFFIC, quietOptions } from '../broker/quiet-connection.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';
import { NO_LOG } from '../state/count.ts';

const DEADLINE_MS = 10_000;
const BROKER = 'mqtts://127.0.0.1';

interface Bench {
  readonly authority: CertificateAuthority;
  readonly pairs: InstalledPairs;
  readonly directory: string;
  readonly connection: Connection;
  /** Of the certificate that the present link was made with. */
  readonly linked: () => string | undefined;
  /** Attempts that nobody has answered. */
  readonly attempts: { readonly digest: string; readonly answer: () => void }[];
  /** The next attempt, answered. */
  readonly answer: () => Promise<void>;
  readonly endProbe: (how?: 'refused') => Promise<void>;
  /** Whether the broker acknowledges the subscription of links that come up. */
  readonly subscribable: (isIt: boolean) => void;
  /** That of the present link is acknowledged now. */
  readonly ready: () => void;
  readonly install: CertificateInstall;
  /** What comes of the command, or its code. */
  readonly run: (certificate: string, within: number) => Promise<unknown>;
  readonly installed: () => string | undefined;
}

/** A device that is connected with the certificate of its configuration. */
async function bench(t: TestContext): Promise<Bench> {
  const root = await temporaryDirectory(t);
  const authority = await makeAuthority('test CA');
  const own = await authority.issueClient('pump-42', {
    notBefore: new Date(Date.now() - 86_400_000),
    notAfter: new Date(Date.now() + 86_400_000),
  });
  const put = (name: string, text: string): string => {
    writeFileSync(join(root, name), text, { mode: 0o600 });
    return join(root, name);
  };
  const configured = { ca: put('ca.pem', authority.ca), cert: put('own.pem', own.cert), key: put('own.key', own.key) };
  const directory = join(root, 'tls');
  const pairs = new InstalledPairs({ directory, device: 'pump-42', configured, log: NO_LOG });
  const load = (): LinkCredentials => {
    const { ca, cert, key, crl, certificate } = loadIdentity(pairs.filesFor(configured));
    return { ca, cert, key, crl, certificate, username: undefined, password: undefined };
  };
  const renewal = new CredentialWatch({ files: [], load, clock: systemClock, log: NO_LOG });
  const attempts: { readonly digest: string; readonly answer: () => void }[] = [];
  let linked: string | undefined;
  const opener: LinkOpener = {
    open: (_, listener) => {
      renewal.take();
      const digest = renewal.shown ?? '';
      return new Promise((resolve) => {
        const answer = (): void => {
          linked = digest;
          resolve({ kind: 'up', link: linkOf(listener) });
        };
        attempts.push({ digest, answer });
      });
    },
    probe: () => Promise.resolve(undefined),
  };
  const connection = new Connection({
    ...quietOptions(5),
    urls: [BROKER],
    clock: systemClock,
    chance: { unit: () => 0, bytes: (count) => Buffer.alloc(count) },
    opener,
    store: {
      session: { broker: BROKER, client: 'pump-42', root: 'fp/v1/pump-42', life: 1, generation: 1, phase: 'open' },
      life: { ordinal: 1, epoch: 'E' },
      markSession: () => Promise.resolve(),
    },
    traffic: {
      ...QUIET_TRAFFIC,
      up: (link) => {
        install.linkUp();
        if (isSubscribable) setImmediate(() => (connection.link === link ? install.linkReady() : undefined));
      },
    },
  });
  let isSubscribable = true;
  let endProbe: ((refused: LinkEnd | undefined) => void) | undefined;
  const install = new CertificateInstall({
    clock: systemClock,
    log: NO_LOG,
    pairs,
    probeCertificate: () =>
      new Promise((resolve) => {
        endProbe = resolve;
      }),
    url: () => connection.figures.url,
    shown: () => renewal.shown,
    lastEnd: () => connection.figures.lastEnd,
    renew: (why) => connection.renew(why),
    busy: () => undefined,
  });
  const next = (): Promise<(typeof attempts)[number]> =>
    until(() => attempts.shift(), 'an attempt to connect', DEADLINE_MS);
  const answer = async (): Promise<void> => {
    const { connects } = connection.figures;
    (await next()).answer();
    await until(() => connection.figures.connects > connects, 'the link', DEADLINE_MS);
  };
  connection.start();
  t.after(() => connection.stop());
  await answer();
  return {
    authority,
    pairs,
    directory,
    connection,
    linked: () => (connection.link === undefined ? undefined : linked),
    attempts,
    answer,
    endProbe: async (how) => (await until(() => endProbe, 'the probe', DEADLINE_MS))(how && LOST),
    subscribable: (isIt) => {
      isSubscribable = isIt;
    },
    ready: () => install.linkReady(),
    install,
    run: (certificate, within) =>
      Promise.resolve(
        install.command.run(
          { certificate, within },
          { id: 'i1', by: undefined, progress: () => Promise.resolve(), afterAnswer: () => undefined },
        ),
      ).catch((error: unknown) => (error instanceof CommandFailure ? error.code : error)),
    installed: () => {
      try {
        return readFileSync(join(directory, 'installed.json'), 'utf8');
      } catch {
        return undefined;
      }
    },
  };
}

function linkOf(listener: LinkListener): Link {
  const ended = (end: LinkEnd = { word: 'own.ended', text: '' }): void => listener.ended(end);
  const link: Pick<Link, 'terms' | 'resumed' | 'unsubscribe' | 'end' | 'destroy'> = {
    terms: { ...({} as Link['terms']), sessionPresent: true, receiveMaximum: 20 },
    resumed: false,
    unsubscribe: () => Promise.resolve(true),
    end: (end) => Promise.resolve(ended(end)),
    destroy: ended,
  };
  return link as Link;
}

const LOST: LinkEnd = { word: 'network.lost', text: 'reset' };

test('a link that was under way with the certificate before does not prove the new one', async (t) => {
  const { authority, pairs, connection, attempts, answer, endProbe, subscribable, ready, linked, run, installed } =
    await bench(t);
  const own = linked();
  const outcome = run(await authority.issueFor(pairs.request().csr), 60_000);
  const before = await until(() => connection.link, 'the link', DEADLINE_MS);
  // Lost while the probe runs: the next attempt takes the files as they are then.
  before.destroy(LOST);
  await until(() => attempts[0], 'the attempt that is under way', DEADLINE_MS);
  await endProbe();
  await until(() => pairs.filesFor({ cert: 'own' }).cert !== 'own', 'the trial', DEADLINE_MS);
  assert.equal(attempts[0]?.digest, own);
  await answer();
  // It does not stay: another one is made, with the new certificate.
  await until(() => attempts[0], 'the attempt with the new certificate', DEADLINE_MS);
  assert.equal(installed(), undefined, 'it was installed for a link of the certificate before');
  subscribable(false);
  await answer();
  assert.notEqual(linked(), own);
  assert.equal(installed(), undefined, 'it counts before the link brings commands');
  ready();
  assert.equal(((await outcome) as { sha256?: string }).sha256, pairs.installed?.pair.fingerprint);
});

test('a certificate that connects and may not subscribe is taken back, and the link is made with the one before', async (t) => {
  const { authority, pairs, attempts, answer, endProbe, subscribable, linked, run, installed } = await bench(t);
  const own = linked();
  subscribable(false);
  const outcome = run(await authority.issueFor(pairs.request().csr), 500);
  await endProbe();
  await answer();
  assert.notEqual(linked(), own);
  assert.equal(await outcome, 'certificate.reverted');
  assert.equal(installed(), undefined);
  subscribable(true);
  await answer();
  assert.equal(linked(), own);
  assert.deepEqual(attempts, []);
});

test('a link that was under way with a certificate that was taken back is left again', async (t) => {
  const { authority, pairs, attempts, answer, endProbe, linked, run } = await bench(t);
  const own = linked();
  const outcome = run(await authority.issueFor(pairs.request().csr), 300);
  await endProbe();
  await until(() => attempts[0], 'the attempt with the new certificate', DEADLINE_MS);
  assert.equal(await outcome, 'certificate.reverted');
  await answer();
  await until(() => attempts[0], 'the attempt with the one before', DEADLINE_MS);
  await answer();
  assert.equal(linked(), own);
});

test('with its agent a trial ends, and what the next agent has on trial or installed stays', async (t) => {
  for (const isProbing of [true, false]) {
    const { authority, pairs, directory, attempts, answer, endProbe, install, run } = await bench(t);
    const pem = await authority.issueFor(pairs.request().csr);
    const outcome = run(pem, 60_000);
    if (!isProbing) {
      await endProbe();
      await until(() => attempts[0], 'the attempt with the new certificate', DEADLINE_MS);
    }
    install.stop();
    const next = new InstalledPairs({ directory, device: 'pump-42', configured: {}, log: NO_LOG });
    const pair = next.stage(pem);
    next.try(pair);
    if (isProbing) await endProbe('refused');
    assert.equal(await outcome, 'certificate.reverted');
    next.promote(pair, 'i2');
    assert.equal(next.installed?.command, 'i2');
    if (!isProbing) await answer();
  }
});
