/**
 * Runs the checks inside the booted tree, one after the other, and writes each result down before the next, so that a reboot
 * in their midst goes on behind it. Powers off when it is done.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Check } from './check.ts';
import { PACKAGE_CHECKS, PURGE_CHECKS } from './package-checks.ts';
import { SERVICE_CHECKS, SETUP_CHECKS } from './service-checks.ts';
import { PACKAGES, type Result, STATE_FILE } from './state.ts';
import { run } from './system.ts';

interface State {
  readonly next: number;
  readonly down: boolean;
  readonly results: readonly Result[];
  readonly done: boolean;
}

const DOWN_MS = 60_000;

function save(state: State): void {
  writeFileSync(`${STATE_FILE}.new`, JSON.stringify(state), { flush: true });
  renameSync(`${STATE_FILE}.new`, STATE_FILE);
}

async function outcome(name: string, attempt: () => string | Promise<string>): Promise<Result> {
  try {
    return { name, ok: true, detail: await attempt() };
  } catch (error) {
    return { name, ok: false, detail: error instanceof Error ? error.message : String(error) };
  }
}

async function goesDown({ run: goDown }: Check): Promise<string> {
  await goDown();
  await new Promise((resolve) => {
    setTimeout(resolve, DOWN_MS);
  });
  throw new Error(`still up after ${DOWN_MS} ms`);
}

async function main(): Promise<void> {
  const packaged = existsSync(PACKAGES.older);
  const checks: readonly Check[] = [
    ...(packaged ? PACKAGE_CHECKS.install : SETUP_CHECKS),
    ...SERVICE_CHECKS,
    ...(packaged ? [...PACKAGE_CHECKS.changes, ...PURGE_CHECKS] : []),
  ];
  let state: State = { next: 0, down: false, results: [], done: false };
  if (existsSync(STATE_FILE)) state = JSON.parse(readFileSync(STATE_FILE, 'utf8')) as State;
  for (let check = checks[state.next]; check !== undefined; check = checks[state.next]) {
    const { name, after } = check;
    let result: Result;
    if (after !== undefined && !state.down) {
      save({ ...state, down: true });
      const down = check;
      result = await outcome(name, () => goesDown(down));
    } else {
      result = await outcome(name, after ?? check.run);
    }
    state = { ...state, next: state.next + 1, down: false, results: [...state.results, result] };
    save(state);
  }
  writeFileSync('/var/log/booted-journal', run('journalctl', '-q', '--no-pager'));
  save({ ...state, done: true });
  run('systemctl', '--no-block', 'poweroff');
}

await main();
