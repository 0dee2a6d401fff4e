/**
 * Boots a tree with systemd-nspawn until it powers off: again and again while it asks for a reboot. Its network is its own
 * loopback. What it found lies in a file of the tree.
 */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Result, STATE_FILE } from './inside/state.ts';

/** What nspawn ends with when the tree asked for a reboot. */
const REBOOT_STATUS = 133;
const BOOTS_MAX = 6;
const BOOT_MS_MAX = 420_000;
const LAST_LINES = 40;

export interface Booted {
  readonly results: readonly Result[];
  readonly seconds: number;
  /** Empty when the checks ran to their end. */
  readonly lastWords: string;
}

export async function bootUntilDone(root: string): Promise<Booted> {
  const started = performance.now();
  let console = '';
  for (let boots = 0; boots < BOOTS_MAX; boots += 1) {
    const { status, said } = await boot(root);
    console += said;
    if (status !== REBOOT_STATUS) break;
  }
  const state = await readFile(join(root, STATE_FILE), 'utf8').catch(() => '{}');
  const { results = [], done = false } = JSON.parse(state) as { results?: readonly Result[]; done?: boolean };
  const seconds = Math.round((performance.now() - started) / 1000);
  const lastWords = done
    ? ''
    : `the checks did not come to their end:\n${console.split('\n').slice(-LAST_LINES).join('\n')}\n`;
  return { results, seconds, lastWords };
}

function boot(root: string): Promise<{ readonly status: number | null; readonly said: string }> {
  const args = ['--quiet', '--register=no', '--keep-unit', '--private-network', '-D', root, '--boot'];
  const child = spawn('systemd-nspawn', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  const keep = (text: Buffer): void => {
    said = (said + text.toString('utf8')).slice(-20_000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const late = setTimeout(() => child.kill('SIGKILL'), BOOT_MS_MAX);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => {
      clearTimeout(late);
      resolve({ status, said });
    });
  });
}
