/**
 * Files that hold what the device proves itself with, read with a bound and judged as they are read: a private one must not
 * be open to others. `cred:NAME` is a credential that systemd hands to the service (LoadCredential= in the unit): it lies in
 * a directory that only the service can read, in memory.
 */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Fault, reasonOf, systemCodeOf } from '../fault.ts';
import { serviceGroup } from './service-user.ts';

/** The largest bundle of public authorities is about 250 KiB. */
const FILE_BYTES_MAX = 1024 * 1024;
const CREDENTIAL = /^cred:(.+)$/;
/** Where systemd puts them for a unit of this name: for the tools, which are started by hand beside the service. */
const UNIT_CREDENTIALS = '/run/credentials/fieldpost.service';

interface Place {
  readonly path: string;
  readonly isCredential: boolean;
}

/** Where a path of device.json leads. */
export function placeOf(path: string): Place {
  const directory = process.env['CREDENTIALS_DIRECTORY'];
  const name = CREDENTIAL.exec(path)?.[1];
  if (name !== undefined) return { path: join(directory ?? UNIT_CREDENTIALS, name), isCredential: true };
  return { path, isCredential: directory !== undefined && dirname(path) === directory };
}

/**
 * A file that only the service and its own group may read. Throws Fault `key.exposed` when others may, `config.invalid` when
 * it can not be read, `credential.missing` when systemd has not handed it over.
 */
export function readPrivateFile(path: string, what: string): Buffer {
  return readBounded(path, what, (mode, group, isCredential) => {
    const exposed = exposure(mode, group, isCredential);
    if (exposed === undefined) return;
    const octal = (mode & 0o777).toString(8).padStart(4, '0');
    throw new Fault(
      'key.exposed',
      `${what} ${path}: must be readable by the service and its own group only (0600, or 0640 with that group), got mode ${octal}: ${exposed}`,
    );
  });
}

/** `inspect` sees the opened file, so that what it judges is what is read. */
export function readBounded(
  path: string,
  what: string,
  inspect?: (mode: number, group: number, isCredential: boolean) => void,
): Buffer {
  const place = placeOf(path);
  let file: number;
  try {
    file = openSync(place.path, 'r');
  } catch (error) {
    throw unreadable(path, what, error);
  }
  try {
    const { mode, gid, size } = fstatSync(file);
    inspect?.(mode, gid, place.isCredential);
    if (size > FILE_BYTES_MAX) throw invalid(path, what, `at most ${FILE_BYTES_MAX} bytes`, `${size}`);
    return readFileSync(file);
  } catch (error) {
    throw error instanceof Fault ? error : unreadable(path, what, error);
  } finally {
    closeSync(file);
  }
}

export function invalid(path: string, what: string, expected: string, found: string, cause?: unknown): Fault {
  return new Fault('config.invalid', `${what} ${path}: must be ${expected}, got ${found}`, { cause });
}

/** Who may read or change a file besides its owner and our own groups; undefined: nobody. */
function exposure(mode: number, group: number, isCredential: boolean): string | undefined {
  if ((mode & 0o007) !== 0) return 'open to everybody on this machine';
  // systemd from 250 on gives a credential to the service by an access control list; what looks like the group's rights is
  // the mask of that list then, and the group is root's.
  if (isCredential && (mode & 0o030) === 0) return undefined;
  const own = [process.getgid?.(), process.getegid?.(), ...(process.getgroups?.() ?? [])];
  if ((mode & 0o070) === 0 || own.includes(group)) return undefined;
  // Root is in no group of the service's, and looks after its files.
  if (process.geteuid?.() === 0 && group === serviceGroup()) return undefined;
  return `open to group ${group}, which this process is not in (run it as the service's user)`;
}

function unreadable(path: string, what: string, error: unknown): Fault {
  const code = systemCodeOf(error);
  const reason = code === 'ENOENT' ? 'missing' : (code ?? reasonOf(error));
  const name = CREDENTIAL.exec(path)?.[1];
  if (name === undefined) return invalid(path, what, 'a readable file', reason, error);
  const directory = process.env['CREDENTIALS_DIRECTORY'];
  const place =
    directory === undefined ? `CREDENTIALS_DIRECTORY is not set, nothing in ${UNIT_CREDENTIALS}` : directory;
  return new Fault(
    'credential.missing',
    `${what} ${path}: must be a credential of the service (LoadCredential=${name}:PATH in its unit), got ${reason} (${place})`,
    { cause: error },
  );
}
