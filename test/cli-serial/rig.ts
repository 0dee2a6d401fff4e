/** The command line as a process of one test, from the sources, and sensors' configurations in a directory of its own. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Child } from '../../src/workbench/child.ts';
import { until } from '../../src/workbench/wait.ts';

const ROOT = join(import.meta.dirname, '../..');
export const PROGRAM = ['--import', join(ROOT, 'node_modules/tsx/dist/loader.mjs'), join(ROOT, 'src/main.ts')];
export const DEADLINE_MS = 60_000;

/** Runs to its end. */
export function run(args: readonly string[], input: Buffer | string = ''): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [...PROGRAM, ...args], {
    input,
    encoding: 'utf8',
    timeout: DEADLINE_MS,
    maxBuffer: 64 * 1024 * 1024,
  });
}

/** Killed after the test, should it still run. */
export function start(t: TestContext, args: readonly string[]): Child {
  const child = new Child({ command: process.execPath, args: [...PROGRAM, ...args] });
  t.after(() => child.kill9());
  return child;
}

export async function ended(child: Child): Promise<number | null> {
  const end = await until(
    () => child.ended,
    () => `the end; last: ${child.lastWords()}`,
    DEADLINE_MS,
  );
  return end.code;
}

export async function outLine(child: Child, pattern: RegExp): Promise<string> {
  return until(
    () => {
      const found = child.outLines.find((line) => pattern.test(line));
      if (found === undefined && child.ended !== undefined)
        throw new Error(`ended before ${pattern}: ${child.lastWords()}`);
      return found;
    },
    () => `a line like ${pattern}; last: ${child.lastWords()}`,
    DEADLINE_MS,
  );
}

/** A virtual meter's process, and where it is. */
export async function simulate(t: TestContext, args: readonly string[]): Promise<{ child: Child; where: string }> {
  const child = start(t, ['simulate', ...args]);
  return { child, where: await outLine(child, /^(?:\/|[\d.]+:)/) };
}

export function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'fieldpost-cli-serial-'));
  t.after(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }));
  return path;
}

/** A device.json with these sensors; its path. */
export function deviceFile(folder: string, sensors: readonly object[]): string {
  const path = join(folder, 'device.json');
  const config = {
    device: { id: 'pump-42' },
    broker: { urls: ['mqtt://127.0.0.1'] },
    ledger: { dir: '/none' },
    sensors,
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

export function jsonLines(text: string): readonly Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
