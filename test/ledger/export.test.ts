/**
 * Signed events and exported ledgers: what was signed and exported is sound anywhere, and any change of it is found and
 * named, by the shipped program and, for signatures, by openssl.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { KeyRing } from '../../src/ledger/key-ring.ts';
import { verifyLedger } from '../../src/ledger/verify.ts';
import { viewLedger } from '../../src/ledger/view.ts';
import { eventSigner } from '../../src/platform/event-signer.ts';
import { ledgerReader } from '../../src/platform/ledger-files.ts';
import { SIGNATURE_ALGORITHMS, type EventSigner, type SignatureAlgorithm } from '../../src/ports.ts';
import { builtProgram } from '../rig/agent-process.ts';
import { appendSales, openLedger, quietLog, temporaryDirectory } from './rig.ts';
import { listAll } from './sample.ts';

interface Text {
  readonly seq: number;
  readonly type: string;
  readonly key?: string;
  readonly sig?: string;
  readonly data: Readonly<Record<string, { readonly value: string } | undefined>>;
}

interface Signed {
  readonly directory: string;
  readonly state: string;
  readonly signer: EventSigner;
}

async function signedLedger(t: TestContext, algorithm: SignatureAlgorithm, sales = 20): Promise<Signed> {
  const home = await temporaryDirectory(t);
  const [directory, state] = [join(home, 'ledger'), join(home, 'state')];
  const signer = eventSigner(state, algorithm, quietLog());
  const ledger = await openLedger(directory, { signer });
  await appendSales(ledger, 1, sales);
  await ledger.close();
  return { directory, state, signer };
}

function fieldpost(...args: string[]): { readonly status: number | null; readonly out: string; readonly err: string } {
  const ran = spawnSync(builtProgram()[0], [builtProgram()[1], 'ledger', ...args], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { status: ran.status, out: ran.stdout, err: ran.stderr };
}

function verified(...args: string[]): Readonly<Record<string, unknown>> & { readonly status: number | null } {
  const { status, out, err } = fieldpost('verify', ...args, '--json');
  assert.ok(out.startsWith('{'), err);
  return { ...(JSON.parse(out) as Record<string, unknown>), status };
}

for (const algorithm of SIGNATURE_ALGORITHMS) {
  test(`each event is signed over its literal bytes, as openssl finds too, ${algorithm}`, async (t) => {
    const { directory, state, signer } = await signedLedger(t, algorithm);
    assert.equal((await stat(join(state, `event-signing-${algorithm}.pem`))).mode & 0o777, 0o600);
    const events = await listAll(directory);
    const texts = events.map(({ payload }) => JSON.parse(payload.toString()) as Text);
    assert.deepEqual([texts[0]?.type, texts[1]?.type], ['ledger.epoch', 'ledger.key']);
    const { key, algorithm: named, public: spki } = texts[1]?.data ?? {};
    assert.deepEqual([key?.value, named?.value, spki?.value], [signer.keyId, algorithm, signer.publicKey]);
    assert.ok(texts.every((text) => text.key === signer.keyId));
    const home = await temporaryDirectory(t);
    const payload = events.at(-1)?.payload ?? Buffer.alloc(0);
    const at = payload.lastIndexOf(',"sig":');
    await writeFile(join(home, 'bytes'), payload.subarray(0, at));
    await writeFile(join(home, 'key.der'), Buffer.from(signer.publicKey, 'base64'));
    await writeFile(join(home, 'sig'), derSignature(Buffer.from(texts.at(-1)?.sig ?? '', 'base64url'), algorithm));
    const how = algorithm === 'ed25519' ? ['-rawin'] : ['-rawin', '-digest', 'sha256'];
    const args = [
      '-verify',
      '-pubin',
      '-keyform',
      'DER',
      '-inkey',
      'key.der',
      '-sigfile',
      'sig',
      '-in',
      'bytes',
      ...how,
    ];
    assert.match(
      execFileSync('openssl', ['pkeyutl', ...args], { cwd: home, encoding: 'utf8' }),
      /Verified Successfully/,
    );
  });

  test(`an export is sound elsewhere, and any byte that is changed in it is found, ${algorithm}`, async (t) => {
    const { directory, state, signer } = await signedLedger(t, algorithm, 6);
    const file = join(await temporaryDirectory(t), 'export');
    const made = fieldpost('export', '--dir', directory, '--state', state, '--out', file, '--json');
    assert.equal(made.status, 0, made.err);
    assert.deepEqual(JSON.parse(made.out), { out: file, events: 8, dir: directory, signer: signer.keyId });
    const sound = verified(file, '--key', signer.publicKey);
    assert.deepEqual([sound.status, sound['ok'], sound['events'], sound['signer']], [0, true, 8, signer.keyId]);
    assert.deepEqual(sound['signatures'], { good: 8, unsigned: 0, unknown: 0 });
    const bytes = await readFile(file);
    const lines = bytes.toString('latin1').split('\n');
    let offset = (lines[0] ?? '').length + 1;
    for (const [index, line] of lines.slice(1, -2).entries()) {
      const changed = Buffer.from(bytes);
      const at = offset + ((index * 37) % line.length);
      changed[at] = (changed[at] ?? 0) ^ 0x01;
      await writeFile(file, changed);
      const bad = verified(file, '--key', signer.publicKey);
      assert.equal(bad.status, 1);
      const { seq } = bad['first_bad'] as { seq: number };
      assert.ok(seq === index + 1 || seq === index + 2, `event ${index + 1} was changed, named is ${seq}`);
      offset += line.length + 1;
    }
    const without = (drop: number): Buffer => Buffer.from(lines.filter((_, at) => at !== drop).join('\n'), 'latin1');
    for (let drop = 0; drop < lines.length - 1; drop += 1) {
      await writeFile(file, without(drop));
      assert.equal(verified(file).status, 1, `without line ${drop + 1}`);
    }
    for (const length of [0, 1, 100, bytes.length - 5]) {
      await writeFile(file, bytes.subarray(0, length));
      assert.equal(verified(file).status, 1, `cut to ${length} bytes`);
    }
  });
}

test('who can rewrite everything can not sign: a pinned key finds another signer, and an unsigned export', async (t) => {
  const { directory, signer } = await signedLedger(t, 'ed25519', 3);
  const file = join(await temporaryDirectory(t), 'export');
  const other = await signedLedger(t, 'ed25519', 3);
  assert.equal(fieldpost('export', '--dir', other.directory, '--state', other.state, '--out', file).status, 0);
  assert.equal(verified(file).status, 0, 'sound in itself');
  const pinned = verified(file, '--key', signer.publicKey);
  assert.equal(pinned.status, 1);
  assert.match(
    JSON.stringify(pinned['problems']),
    new RegExp(`is signed by the key ${other.signer.keyId}, not by ${signer.keyId}`),
  );
  assert.equal(fieldpost('export', '--dir', directory, '--out', file).status, 0);
  assert.equal(verified(file)['signer'], '');
  assert.match(JSON.stringify(verified(file, '--key', signer.publicKey)['problems']), /is not signed by/);
  assert.equal(fieldpost('verify', file, '--key', 'nonsense').status, 64);
  assert.equal(fieldpost('verify', '/nowhere').status, 74);
  assert.equal(fieldpost('export', '--dir', directory).status, 64);
  assert.equal(fieldpost('export', '--dir', directory, '--out', '/nowhere/at/all').status, 74);
});

test('what has no event in it is told without one: an empty file, another file, a directory', async (t) => {
  const directory = await temporaryDirectory(t);
  const file = join(directory, 'export');
  for (const [content, says] of [
    ['', 'BAD: before any event: the file is empty\n'],
    ['# notes\n', 'BAD: before any event: is no head of an export of version 1 (line 1)\n'],
  ] as const) {
    await writeFile(file, content);
    const { status, out } = fieldpost('verify', file);
    assert.equal(status, 1);
    assert.ok(out.startsWith(says), out);
    assert.ok(out.endsWith(`${file}: bad, first before any event: 0 events of no known device\n`), out);
  }
  const { status, err } = fieldpost('verify', directory);
  assert.equal(status, 74);
  assert.match(err, new RegExp(`is a directory; for a ledger say --dir ${directory}\n$`));
});

test('the ledger itself is verified with its signatures, also when the event that named the key is long dropped', async (t) => {
  const { directory, signer } = await signedLedger(t, 'ed25519', 30);
  assert.deepEqual(verified('--dir', directory)['signatures'], { good: 32, unsigned: 0, unknown: 0 });
  assert.equal(verified('--dir', directory, '--key', signer.publicKey).status, 0);
  const files = ledgerReader(directory);
  const view = await viewLedger(files, () => Promise.resolve());
  // As if the first segments were gone: only the snapshot knows the key.
  const ring = new KeyRing();
  ring.learn(view.state.keyPublic);
  const last = (await listAll(directory)).at(-1)?.payload ?? Buffer.alloc(0);
  assert.deepEqual(ring.judge(last, JSON.parse(last.toString()) as object), []);
  assert.equal(ring.counts.good, 1);
  assert.equal((await verifyLedger(files, view, () => undefined)).ok, true);
});

test('a changed, lost, damaged or exposed key is said in the ledger or refused, never passed over', async (t) => {
  const { directory, state, signer } = await signedLedger(t, 'ed25519', 3);
  const path = join(state, 'event-signing-ed25519.pem');
  assert.equal(eventSigner(state, 'ed25519', quietLog()).keyId, signer.keyId, 'the key is found again');
  const lines: string[] = [];
  await writeFile(path, 'no key at all');
  const second = eventSigner(state, 'ed25519', quietLog(lines));
  assert.notEqual(second.keyId, signer.keyId);
  assert.match(lines.join('\n'), /damaged/);
  const ledger = await openLedger(directory, { signer: second });
  await appendSales(ledger, 11, 12);
  await ledger.close();
  const unsigned = await openLedger(directory);
  await appendSales(unsigned, 21, 22);
  await unsigned.close();
  const texts = (await listAll(directory)).map(({ payload }) => JSON.parse(payload.toString()) as Text);
  const keys = texts
    .filter(({ type }) => type === 'ledger.key')
    .map(({ data }) => [data['key']?.value, data['old_key']?.value]);
  assert.deepEqual(keys, [
    [signer.keyId, undefined],
    [second.keyId, signer.keyId],
    ['', second.keyId],
  ]);
  assert.equal(verified('--dir', directory).status, 0);
  const pinned = verified('--dir', directory, '--key', second.publicKey);
  assert.equal(pinned.status, 1);
  assert.equal((pinned['first_bad'] as { seq: number }).seq, 1);
  await chmod(path, 0o644);
  assert.throws(() => eventSigner(state, 'ed25519', quietLog()), /0644/);
});

/** ECDSA signatures are r and s beside each other; openssl wants them in DER. */
function derSignature(signature: Buffer, algorithm: SignatureAlgorithm): Buffer {
  if (algorithm === 'ed25519') return signature;
  const integer = (bytes: Buffer): Buffer => {
    let from = 0;
    while (from < bytes.length - 1 && bytes[from] === 0) from += 1;
    const plain = bytes.subarray(from);
    const padded = (plain[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), plain]) : plain;
    return Buffer.concat([Buffer.of(2, padded.length), padded]);
  };
  const body = Buffer.concat([integer(signature.subarray(0, 32)), integer(signature.subarray(32))]);
  return Buffer.concat([Buffer.of(0x30, body.length), body]);
}

test('a key of a kind that signs no events is refused as a pin', async (t) => {
  const file = join(await temporaryDirectory(t), 'rsa.pem');
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await writeFile(file, publicKey.export({ format: 'pem', type: 'spki' }));
  const refused = fieldpost('verify', file, '--key', file);
  assert.equal(refused.status, 64);
  assert.match(refused.err, /must be an Ed25519 or P-256 key, got rsa/);
});
