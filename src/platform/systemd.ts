/**
 * systemd as the supervisor (sd_notify(3)), without an addon and without a process for each word. Node can not make a unix
 * datagram socket, but it can write to one: systemd/lib/notify-socket, which starts node, opens the socket of NOTIFY_SOCKET,
 * connects it and hands it over as FIELDPOST_NOTIFY=<pid>:<descriptor>. It never blocks; what does not fit now is said with
 * the next word.
 */
import { fstatSync, writeSync } from 'node:fs';
import type { Supervisor } from '../ports.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Never throws: where nobody listens, everything is said to nobody. */
export function systemdSupervisor(env: Environment = process.env): Supervisor {
  const socket = socketOf(env);
  /** By the name before the `=`, so that only the newest STATUS waits. */
  const unsaid = new Map<string, string>();
  const say = (words: Readonly<Record<string, string>>, kept = true): void => {
    if (socket === undefined) return;
    const all = new Map([...unsaid, ...Object.entries(words)]);
    if (kept) for (const [name, value] of Object.entries(words)) unsaid.set(name, value);
    const text = [...all].map(([name, value]) => `${name}=${value}`).join('\n');
    try {
      writeSync(socket, text);
      unsaid.clear();
    } catch {
      // EAGAIN: systemd does not read just now. Anything else can not be mended here; then systemd's own limits count.
    }
  };
  return {
    patienceMs: socket === undefined ? undefined : patienceOf(env),
    listens: socket !== undefined,
    ready: () => say({ READY: '1' }),
    // Type=notify-reload wants to know when, on the monotonic clock.
    reloading: () => say({ RELOADING: '1', MONOTONIC_USEC: String(process.hrtime.bigint() / 1000n) }),
    stopping: () => say({ STOPPING: '1' }),
    // True only now: said late, they would speak for a process that hangs.
    extend: (ms) => say({ EXTEND_TIMEOUT_USEC: micros(ms) }, false),
    alive: () => say({ WATCHDOG: '1' }, false),
    status: (sentence) => say({ STATUS: sentence.replace(/\s+/g, ' ') }),
  };
}

/** Only when it was handed to this very process: a child that inherits the environment has other things there. */
function socketOf(env: Environment): number | undefined {
  const [, pid, descriptor] = /^(\d+):(\d+)$/.exec(env['FIELDPOST_NOTIFY'] ?? '') ?? [];
  if (Number(pid) !== process.pid) return undefined;
  try {
    return fstatSync(Number(descriptor)).isSocket() ? Number(descriptor) : undefined;
  } catch {
    return undefined;
  }
}

function patienceOf(env: Environment): number | undefined {
  const { WATCHDOG_USEC, WATCHDOG_PID = String(process.pid) } = env;
  const ms = Number(WATCHDOG_USEC) / 1000;
  return ms > 0 && Number(WATCHDOG_PID) === process.pid ? ms : undefined;
}

function micros(ms: number): string {
  return String(Math.round(ms * 1000));
}
