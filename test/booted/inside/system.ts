/** How the checks ask and move the booted system. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const DEADLINE_MS = 30_000;
const LOOK_MS = 200;

/** Gives its stdout; throws with what it said when it fails. */
export function run(program: string, ...args: readonly string[]): string {
  const { error, status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    timeout: 120_000,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  if (error !== undefined) throw error;
  if (status !== 0)
    throw new Error(`${program} ${args.join(' ')}: status ${status}: ${(stderr || stdout).trim().slice(-300)}`);
  return stdout;
}

export function show(property: string, unit = 'fieldpost.service'): string {
  return run('systemctl', 'show', '--value', '-p', property, unit).trim();
}

export function journal(): string {
  return run('journalctl', '-q', '--no-pager', '-o', 'cat', '-u', 'fieldpost', '-u', 'fieldpost-reboot');
}

export async function until<Found>(
  what: string,
  look: () => Found | undefined | false,
  deadlineMs = DEADLINE_MS,
): Promise<Found> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`not seen within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, LOOK_MS);
    });
  }
}

/** The service is up, and says that it is connected. Gives what it says. */
export async function isWell(): Promise<string> {
  return until(
    `connected; says "${show('StatusText')}", is ${show('ActiveState')}`,
    () => show('ActiveState') === 'active' && show('StatusText').startsWith('connected to ') && show('StatusText'),
  );
}

export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

export function expect(held: boolean, sentence: string): void {
  if (!held) throw new Error(sentence);
}
