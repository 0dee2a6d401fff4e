/**
 * Signatures of commands, made by OpenSSH's own ssh-keygen and judged by both sides: the same ones count, and one byte
 * elsewhere counts for neither.
 */
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { chmodSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { parseAllowedSigners } from '../../src/platform/allowed-signers.ts';
import { commandSigners } from '../../src/platform/command-signers.ts';
import { createLog } from '../../src/platform/log.ts';
import { checkSshSignature } from '../../src/platform/ssh-signature.ts';
import type { ClockQuality, SignatureJudge } from '../../src/ports.ts';
import { makeSshKey, sshSign, type SshKeyPair, sshVerifies } from '../rig/ssh.ts';
import { temporaryDirectory } from '../rig/temp.ts';

const TEXT = '{"id":"1","device":"pump-42","command":"agent.restart","n":1}';
const NOW_MS = Date.UTC(2026, 10, 24, 12);

interface Rig {
  readonly directory: string;
  readonly key: SshKeyPair;
  readonly file: string;
  readonly said: readonly string[];
  readonly judge: SignatureJudge;
  readonly allow: (...lines: readonly string[]) => void;
}

async function rig(t: TestContext, kind?: readonly string[], quality: ClockQuality = 'set'): Promise<Rig> {
  const directory = await temporaryDirectory(t);
  const file = join(directory, 'allowed_signers');
  const key = makeSshKey(directory, 'key', kind);
  const said: string[] = [];
  const log = createLog({ level: 'info', journal: false, write: (line) => void said.push(line) });
  const allow: Rig['allow'] = (...lines) => writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o644 });
  allow(`ops@example.org ${key.line} a comment`);
  const clock = { wallMs: () => NOW_MS, quality: () => quality };
  return { directory, key, file, said, judge: commandSigners(file, clock, log), allow };
}

function codeOf(judge: SignatureJudge, armour: string, text: string = TEXT): string {
  const verdict = judge.judge(Buffer.from(text), armour);
  return verdict.kind === 'good' ? 'good' : verdict.code;
}

for (const kind of [['ed25519'], ['ecdsa', '256']]) {
  test(`what ssh-keygen signs with ${kind[0]} counts here and there, a changed byte in neither`, async (t) => {
    const { directory, key, judge } = await rig(t, kind);
    const signers = `ops@example.org ${key.line}\n`;
    // Numbers of ECDSA are of different lengths from one signature to the next.
    for (let round = 0; round < 6; round += 1) {
      const text = `${TEXT}${' '.repeat(round)}`;
      const armour = sshSign(key, text);
      const verdict = judge.judge(Buffer.from(text), armour);
      assert.deepEqual(verdict, { kind: 'good', signer: { principal: 'ops@example.org', key: key.fingerprint } });
      assert.ok(sshVerifies(directory, signers, 'ops@example.org', text, armour));
      const other = text.replace('pump-42', 'pump-43');
      assert.equal(codeOf(judge, armour, other), 'signature.wrong');
      assert.ok(!sshVerifies(directory, signers, 'ops@example.org', other, armour));
    }
  });
}

/** As a security key would sign; the key itself is one in memory. */
function securityKey(directory: string): { line: string; sign: (text: string, flags: number) => string } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const string = (bytes: Buffer | string): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(Buffer.byteLength(bytes));
    return Buffer.concat([length, Buffer.from(bytes)]);
  };
  const sha = (name: string, bytes: Buffer | string): Buffer => createHash(name).update(bytes).digest();
  const type = 'sk-ssh-ed25519@openssh.com';
  const x = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  const blob = Buffer.concat([string(type), string(x), string('ssh:')]);
  writeFileSync(join(directory, 'security-key.pub'), `${type} ${blob.toString('base64')}\n`);
  return {
    line: `${type} ${blob.toString('base64')}`,
    sign: (text, flags) => {
      const terms = [string('fieldpost-cmd'), string(''), string('sha512')];
      const signed = Buffer.concat([Buffer.from('SSHSIG'), ...terms, string(sha('sha512', text))]);
      const more = Buffer.from([flags, 0, 0, 0, 9]);
      const told = Buffer.concat([sha('sha256', 'ssh:'), more, sha('sha256', signed)]);
      const signature = Buffer.concat([string(type), string(sign(null, told, privateKey)), more]);
      const start = Buffer.concat([Buffer.from('SSHSIG'), Buffer.from([0, 0, 0, 1]), string(blob)]);
      const base64 = Buffer.concat([start, ...terms, string(signature)]).toString('base64');
      const lines = base64.replaceAll(/.{70}/g, '$&\n').trimEnd();
      return `-----BEGIN SSH SIGNATURE-----\n${lines}\n-----END SSH SIGNATURE-----\n`;
    },
  };
}

test('a security key counts as for ssh-keygen, and only if somebody touched it', async (t) => {
  const { directory, judge, allow } = await rig(t);
  const key = securityKey(directory);
  allow(`ops@example.org ${key.line}`);
  const touched = key.sign(TEXT, 1);
  assert.equal(codeOf(judge, touched), 'good');
  assert.ok(sshVerifies(directory, `ops@example.org ${key.line}\n`, 'ops@example.org', TEXT, touched));
  assert.equal(codeOf(judge, key.sign(TEXT, 0)), 'signature.wrong');
  assert.equal(codeOf(judge, touched, `${TEXT} `), 'signature.wrong');
});

test('a signature for something else, by a stranger, or of another kind of key is refused in words of its own', async (t) => {
  const { directory, key, judge, allow } = await rig(t);
  assert.equal(codeOf(judge, sshSign(key, TEXT, 'file')), 'signature.namespace');
  const stranger = makeSshKey(directory, 'stranger');
  assert.equal(codeOf(judge, sshSign(stranger, TEXT)), 'signature.signer');
  // Who does not hold a key does not learn whether it is known.
  assert.equal(codeOf(judge, sshSign(key, TEXT), 'other'), codeOf(judge, sshSign(stranger, TEXT), 'other'));
  assert.equal(codeOf(judge, sshSign(makeSshKey(directory, 'rsa', ['rsa', '2048']), TEXT)), 'signature.algorithm');
  const large = makeSshKey(directory, 'p384', ['ecdsa', '384']);
  assert.equal(codeOf(judge, sshSign(large, TEXT)), 'signature.algorithm');
  allow(`ops@example.org namespaces="git,file" ${key.line}`);
  assert.equal(codeOf(judge, sshSign(key, TEXT)), 'signature.namespace');
  for (const namespaces of ['git,fieldpost-cmd', 'fieldpost-*', '*']) {
    allow(`ops@example.org namespaces="${namespaces}" ${key.line}`);
    assert.equal(codeOf(judge, sshSign(key, TEXT)), 'good', namespaces);
  }
  allow(`ops@example.org namespaces="*,!fieldpost-cmd" ${key.line}`);
  assert.equal(codeOf(judge, sshSign(key, TEXT)), 'signature.namespace');
});

test('a key counts for its time, as far as the clock is to be trusted, and as ssh-keygen sees it', async (t) => {
  const { key, judge, allow, directory } = await rig(t);
  const armour = sshSign(key, TEXT);
  const cases: readonly [string, string][] = [
    ['valid-before="20261124120001Z"', 'good'],
    ['valid-before="202611241200Z"', 'signature.expired'],
    ['valid-after="20261124Z",valid-before="20261125Z"', 'good'],
    ['valid-after="20261124120001Z"', 'signature.not-yet-valid'],
  ];
  for (const [options, expected] of cases) {
    allow(`ops@example.org ${options} ${key.line}`);
    assert.equal(codeOf(judge, armour), expected, options);
  }
  const past = `ops@example.org valid-before="20200101" ${key.line}`;
  assert.ok(!sshVerifies(directory, `${past}\n`, 'ops@example.org', TEXT, armour));
  allow(past);
  assert.equal(codeOf(judge, armour), 'signature.expired');
  allow(past, `ops@example.org ${key.line}`);
  assert.equal(codeOf(judge, armour), 'good', 'another line of the same key allows it');
  const unset = await rig(t, undefined, 'unknown');
  unset.allow(`ops@example.org valid-before="20200101Z" ${unset.key.line}`);
  assert.equal(codeOf(unset.judge, sshSign(unset.key, TEXT)), 'good');
});

test('a line that can not be read gives nothing, is named in the log once, and the others count', async (t) => {
  const { key, judge, allow, said } = await rig(t);
  const wrong = [
    'ops@example.org',
    `a cert-authority ${key.line}`,
    `b valid-before="20261301" ${key.line}`,
    'c ssh-ed25519 AAAA',
  ];
  allow('# comment', '', ...wrong, `last@example.org ${key.line}`);
  assert.equal(codeOf(judge, sshSign(key, TEXT)), 'good');
  assert.equal(codeOf(judge, sshSign(key, TEXT)), 'good');
  assert.equal(said.length, 1);
  for (const line of [3, 4, 5, 6]) assert.match(said[0] ?? '', new RegExp(`line ${line}: must have`));
  const { signers, mistakes } = parseAllowedSigners(`x ${key.line}\n`.repeat(2001));
  assert.deepEqual([signers.length, mistakes], [2000, ['line 2001: must be the end of the file: it is not read on']]);
});

test('a file that is not there, not a file, too large, or for all to write lets nobody sign, and says so in the log alone', async (t) => {
  const { key, file, judge, allow, said, directory } = await rig(t);
  const armour = sshSign(key, TEXT);
  const clock = { wallMs: () => NOW_MS, quality: () => 'set' as const };
  const log = createLog({ level: 'info', journal: false, write: (line) => void (said as string[]).push(line) });
  chmodSync(file, 0o666);
  assert.equal(codeOf(judge, armour), 'signature.signers');
  assert.match(said.at(-1) ?? '', /writable by its owner alone .*got mode 666/);
  chmodSync(file, 0o644);
  assert.equal(codeOf(judge, armour), 'good');
  allow(`ops@example.org ${key.line}`, '#'.repeat(64 * 1024));
  assert.equal(codeOf(judge, armour), 'signature.signers');
  const verdict = commandSigners(join(directory, 'none'), clock, log).judge(Buffer.from(TEXT), armour);
  assert.ok(verdict.kind === 'bad' && verdict.code === 'signature.signers' && !verdict.message.includes(directory));
  assert.match(said.at(-1) ?? '', /none.*ENOENT/);
  symlinkSync('/dev/zero', join(directory, 'zero'));
  assert.equal(codeOf(commandSigners(join(directory, 'zero'), clock, log), armour), 'signature.signers');
});

test('no bytes in place of a signature count or throw, however near they are to one', async (t) => {
  const { key, judge } = await rig(t);
  const armour = sshSign(key, TEXT);
  const body = armour.split('\n').slice(1, -2).join('');
  const blob = Buffer.from(body, 'base64');
  const wrap = (bytes: Buffer): string =>
    `-----BEGIN SSH SIGNATURE-----\n${bytes.toString('base64')}\n-----END SSH SIGNATURE-----\n`;
  assert.equal(codeOf(judge, wrap(blob)), 'good');
  const cases = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.uint8Array({ maxLength: 600 }).map((bytes) => wrap(Buffer.from(bytes))),
    fc.tuple(fc.nat(blob.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, flip]) => {
      const changed = Buffer.from(blob);
      changed[at] = (changed[at] ?? 0) ^ flip;
      return wrap(changed);
    }),
    fc.nat(blob.length - 1).map((length) => wrap(blob.subarray(0, length))),
    fc.uint8Array({ minLength: 1, maxLength: 9 }).map((more) => wrap(Buffer.concat([blob, more]))),
    fc
      .tuple(fc.nat(armour.length - 1), fc.constantFrom('=', ' ', '-', '\0', 'é'))
      .map(([at, letter]) => armour.slice(0, at) + letter + armour.slice(at + 1)),
  );
  fc.assert(
    fc.property(cases, (text) => text === armour || checkSshSignature(Buffer.from(TEXT), text).kind === 'bad'),
    { numRuns: 3000 },
  );
  for (const text of ['', armour.repeat(9), `${armour}${armour}`, ` ${armour}`, armour.replace('END', 'END ')]) {
    assert.equal(codeOf(judge, text), 'signature.malformed');
  }
});
