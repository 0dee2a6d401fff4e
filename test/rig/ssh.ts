/** Keys and signatures of OpenSSH's own ssh-keygen, as an operator would make them. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const NAMESPACE = 'fieldpost-cmd';

export interface SshKeyPair {
  /** Path of the private key. */
  readonly path: string;
  /** Kind and base64, as a line of the file of who may sign has them. */
  readonly line: string;
  readonly fingerprint: string;
}

export function makeSshKey(directory: string, name: string, kind: readonly string[] = ['ed25519']): SshKeyPair {
  const path = join(directory, name);
  const [type = '', bits] = kind;
  const size = bits === undefined ? [] : ['-b', bits];
  keygen(['-q', '-t', type, ...size, '-N', '', '-C', name, '-f', path]);
  const [algorithm, key] = readFileSync(`${path}.pub`, 'utf8').split(' ');
  const fingerprint = keygen(['-l', '-f', `${path}.pub`]).split(' ')[1] ?? '';
  return { path, line: `${algorithm} ${key}`, fingerprint };
}

export function sshSign(key: SshKeyPair, text: string | Buffer, namespace: string = NAMESPACE): string {
  return keygen(['-Y', 'sign', '-q', '-n', namespace, '-f', key.path], text);
}

/** Whether ssh-keygen itself takes the signature for this principal. */
export function sshVerifies(
  directory: string,
  signers: string,
  principal: string,
  text: string | Buffer,
  armour: string,
): boolean {
  const [file, signature] = [join(directory, 'signers-to-verify'), join(directory, 'signature-to-verify')];
  writeFileSync(file, signers);
  writeFileSync(signature, armour);
  const args = ['-Y', 'verify', '-n', NAMESPACE, '-f', file, '-I', principal, '-s', signature];
  return spawnSync('ssh-keygen', args, { input: text, timeout: 10_000 }).status === 0;
}

function keygen(args: readonly string[], input: string | Buffer = ''): string {
  const done = spawnSync('ssh-keygen', [...args], { input, encoding: 'utf8', timeout: 20_000 });
  if (done.status !== 0) throw new Error(`ssh-keygen ${args.join(' ')}: ${done.stderr}`);
  return done.stdout;
}
