/**
 * Processor time of another process, from the kernel's own clock of that process (clock_getcpuclockid(3)): nanoseconds,
 * user and system, every thread, also those that have ended. /proc does not have that: /proc/PID/schedstat is the first
 * thread alone, PID/task/TID/schedstat is gone with its thread (measured: half a second of an ended worker was missing),
 * and PID/stat counts in ticks of 10 ms. Node can not read such a clock, so perl does, as for the pseudo-terminals.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** Numbers of the system call clock_gettime. */
const CLOCK_GETTIME: Partial<Record<string, number>> = { x64: 228, arm64: 113, arm: 263 };
const DEADLINE_MS = 5000;

export class CpuClock {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: Interface;

  constructor() {
    const call = CLOCK_GETTIME[process.arch];
    if (call === undefined) throw new Error(`no number known for clock_gettime on ${process.arch}`);
    // The clock's number: the complement of the process's, times 8, plus 2 for CPUCLOCK_SCHED.
    const program = `$| = 1; while (<STDIN>) {
      my $time = pack('l!2', 0, 0);
      my $bad = syscall(${call}, (-1 - $_) * 8 + 2, $time);
      my ($s, $ns) = unpack('l!2', $time);
      print $bad ? "failed: $!\n" : sprintf("%.6f\n", $s * 1e3 + $ns / 1e6);
    }`;
    this.#child = spawn('perl', ['-e', program], { stdio: ['pipe', 'pipe', 'inherit'] });
    // A perl that is not there, or no more, is noticed by the answer that does not come.
    this.#child.on('error', () => undefined);
    this.#child.stdin.on('error', () => undefined);
    this.#answers = createInterface({ input: this.#child.stdout });
  }

  /** Milliseconds since the process began. One question at a time. */
  async ms(pid: number): Promise<number> {
    const answer = once(this.#answers, 'line', { signal: AbortSignal.timeout(DEADLINE_MS) });
    this.#child.stdin.write(`${pid}\n`);
    const [said] = (await answer) as [string];
    if (!/^[0-9.]+$/.test(said)) throw new Error(`processor time of ${pid}: ${said}`);
    return Number(said);
  }

  close(): void {
    this.#child.stdin.end();
  }
}
