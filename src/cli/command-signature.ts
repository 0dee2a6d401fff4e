/**
 * Signs a request on the operator's side, by OpenSSH's own ssh-keygen, which knows keys in files, in an agent and in a security
 * key, and asks for a pass phrase or a touch by itself. No shell is involved. Each request of a key has a higher number
 * than the one before: milliseconds since 1970, or more where a file remembers more.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { Fault, reasonOf, systemCodeOf } from '../fault.ts';
import { SIGNATURE_NAMESPACE } from '../platform/command-signers.ts';

/** Time to find the security key and touch it, or to type the pass phrase. */
const SIGN_MS = 120_000;
const SIGNATURE_BYTES_MAX = 4096;

/** The armour, as `sig` of a request has it. Throws Fault `usage` when ssh-keygen does not sign. */
export async function signByKey(keyFile: string, text: string): Promise<string> {
  const child = spawn('ssh-keygen', ['-Y', 'sign', '-n', SIGNATURE_NAMESPACE, '-f', keyFile], {
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: SIGN_MS,
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  // It may have ended before it has read the text; its exit status says why.
  child.stdin.on('error', () => undefined);
  child.stdin.end(text);
  const [code] = (await once(child, 'close').catch((error: unknown) => {
    throw new Fault('usage', `--sign: ssh-keygen of OpenSSH is needed: ${reasonOf(error)}`);
  })) as [number | null];
  const signature = Buffer.concat(chunks).toString('latin1');
  if (code !== 0 || signature === '' || signature.length > SIGNATURE_BYTES_MAX) {
    throw new Fault('usage', `--sign ${keyFile}: ssh-keygen did not sign (exit status ${code ?? 'none'})`);
  }
  return signature;
}

/** The number of the next request; with a file it is written there before it is used. */
export function nextNumber(file: string | undefined, nowMs: number): number {
  if (file === undefined) return nowMs;
  const n = Math.max(lastNumber(file) + 1, nowMs);
  try {
    writeFileSync(`${file}.new`, `${n}\n`, { mode: 0o600, flush: true });
    renameSync(`${file}.new`, file);
  } catch (error) {
    throw new Fault('usage', `--signer-counter ${file}: can not be written: ${reasonOf(error)}`);
  }
  return n;
}

function lastNumber(file: string): number {
  try {
    const text = readFileSync(file, 'utf8').trim();
    const n = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(n)) return n;
    throw new Fault(
      'usage',
      `--signer-counter ${file}: must hold a whole number, got ${JSON.stringify(text.slice(0, 40))}`,
    );
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return 0;
    throw error instanceof Fault ? error : new Fault('usage', `--signer-counter ${file}: ${reasonOf(error)}`);
  }
}
