/**
 * Whether something keeps this machine's clock. systemd-timesyncd touches a file at each synchronisation. For chrony, ntpd
 * and others the kernel knows, but the call that asks it (adjtimex) is not Node's and is forbidden in the unit's sandbox
 * (ProtectClock=): systemd's timedated asks it for whoever wants to know, and calls a clock synchronised while the
 * kernel's own bound of its error is below 16 s. Where there is neither, a clock is never called synchronised.
 */
import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import type { TimeService } from '../ports.ts';

/** systemd-timesyncd(8); gone with each boot. */
const MARKER = '/run/systemd/timesync/synchronized';
/** timesyncd asks every 34 minutes at most. After so long without, the kernel too gives up its claim (500 ppm make 16 s). */
const MARKER_HOLDS_MS = 9 * 3_600_000;
const TIMEDATECTL = ['timedatectl', 'show', '--property=NTPSynchronized', '--value'] as const;
const ANSWER_MS = 3000;
/** A process each time: seldom, and after the clock was set soon. */
const ASK_AGAIN_MS = { yes: 600_000, no: 60_000, set: 10_000 };

export interface TimeServiceOptions {
  readonly marker?: string;
  /** Program and arguments; it says `yes` on stdout. */
  readonly program?: readonly [string, ...string[]];
}

export function timeService(options: TimeServiceOptions = {}): TimeService {
  const marker = new Marker(options.marker ?? MARKER);
  const program = new Program(options.program ?? TIMEDATECTL);
  return { isSynchronised: async (steps) => marker.holds(steps) || (await program.says(steps)) };
}

/** At one look, for sub-commands: the file is there, young, and not of a time that the clock has not reached. */
export function isMarkedSynchronised(): boolean {
  return isYoung(touchedMs(MARKER));
}

class Marker {
  readonly #path: string;
  #touchedMs: number | undefined;
  /** Of before the clock was set: says nothing. */
  #voidMs: number | undefined;
  #steps: number | undefined;
  /** When it was last seen to be touched anew, monotonic. */
  #freshMs: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  holds(steps: number): boolean {
    const nowMs = performance.now();
    const touched = touchedMs(this.#path);
    if (this.#steps !== undefined && steps !== this.#steps) this.#voidMs = this.#touchedMs;
    if (touched !== this.#touchedMs) this.#freshMs = this.#steps !== undefined || isYoung(touched) ? nowMs : undefined;
    this.#steps = steps;
    this.#touchedMs = touched;
    if (touched === undefined || touched === this.#voidMs || this.#freshMs === undefined) return false;
    return nowMs - this.#freshMs < MARKER_HOLDS_MS;
  }
}

class Program {
  readonly #command: readonly [string, ...string[]];
  #steps: number | undefined;
  #answer = false;
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(command: readonly [string, ...string[]]) {
    this.#command = command;
  }

  async says(steps: number): Promise<boolean> {
    const waited = performance.now() - this.#askedMs;
    const isStale = steps !== this.#steps;
    if (isStale) this.#answer = false;
    const pauseMs = isStale ? ASK_AGAIN_MS.set : this.#answer ? ASK_AGAIN_MS.yes : ASK_AGAIN_MS.no;
    if (waited < pauseMs) return this.#answer;
    this.#askedMs = performance.now();
    this.#answer = await answers(this.#command);
    this.#steps = steps;
    return this.#answer;
  }
}

/** False as well when there is no such program, or no bus to ask over. */
function answers([program, ...args]: readonly [string, ...string[]]): Promise<boolean> {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: ANSWER_MS, killSignal: 'SIGKILL' }, (error, said) => {
      resolve(error === null && said.trim() === 'yes');
    });
  });
}

function isYoung(touched: number | undefined): boolean {
  const age = touched === undefined ? Infinity : Date.now() - touched;
  return age >= -1000 && age < MARKER_HOLDS_MS;
}

function touchedMs(path: string): number | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  } catch {
    return undefined;
  }
}
