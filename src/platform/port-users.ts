/**
 * Who else has a tty open, from the links of /proc/PID/fd. Best effort: processes of other users are not to be seen without
 * root, and a lock tells nothing either (`cat`, pyserial and ModemManager take none). Each of them takes bytes that the
 * agent then never sees, and some change the settings of the line.
 */
import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import type { LineUser } from '../ports-line.ts';

/** What makes our pseudo-terminals (pty.ts) holds them open and takes no bytes of them. */
export const PTY_PROGRAM = 'fieldpost-pty';

/** A device has a few thousand. */
const LINKS_MAX = 20_000;
const USERS_MAX = 8;
/** Links of one turn of the event loop: well under a millisecond. One call of the thread pool each would cost tenfold. */
const LINKS_AT_ONCE = 50;

/** Never rejects: who can not be seen is not there. */
export async function usersOf(path: string): Promise<readonly LineUser[]> {
  const target = orElse(path, () => realpathSync(path));
  const users: LineUser[] = [];
  let links = 0;
  for (const name of entriesOf('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const open = new Set<string>();
    for (const fd of entriesOf(`/proc/${name}/fd`)) {
      links += 1;
      if (links > LINKS_MAX) return users;
      if (links % LINKS_AT_ONCE === 0) await turn();
      open.add(orElse('', () => readlinkSync(`/proc/${name}/fd/${fd}`)));
    }
    if (open.has(target) && !isFarEnd(target, open))
      users.push({ pid, program: orElse('', () => readFileSync(`/proc/${name}/comm`, 'utf8')).trim() });
    if (users.length === USERS_MAX) return users;
    await turn();
  }
  return users;
}

/** Who has masters of pseudo-terminals is the meter at such a line, not a second reader. */
function isFarEnd(target: string, open: ReadonlySet<string>): boolean {
  return target.startsWith('/dev/pts/') && (open.has('/dev/ptmx') || open.has('/dev/pts/ptmx'));
}

/** None of a process that has ended or is somebody else's. */
function entriesOf(folder: string): readonly string[] {
  return orElse([], () => readdirSync(folder));
}

function orElse<Value>(otherwise: Value, look: () => Value): Value {
  try {
    return look();
  } catch {
    return otherwise;
  }
}
