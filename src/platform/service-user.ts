/**
 * The user that the service runs as, for root who looks after it: which group is the service's own, and what the service
 * could not read of its files. By the machine's own lists and by mode bits alone: access control lists are not looked at.
 */
import { closeSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const NAME = 'fieldpost';
/** A machine of many users has a few kilobytes of them; what is behind this is not seen. */
const LIST_BYTES_MAX = 256 * 1024;

/** The two lists, passwd(5) and group(5). */
export interface AccountFiles {
  readonly passwd: string;
  readonly group: string;
}

const SYSTEM: AccountFiles = { passwd: '/etc/passwd', group: '/etc/group' };

/** What stands in the way: the file itself, or a folder above it. */
export interface Bar {
  readonly found: string;
  readonly todo: string;
}

/** The number of the service's group; undefined: there is none. */
export function serviceGroup({ group }: Pick<AccountFiles, 'group'> = SYSTEM): number | undefined {
  const line = entriesOf(group).find(([name]) => name === NAME);
  return line === undefined ? undefined : idOf(line[2]);
}

/** Why the service can not read it; undefined: it can, or there is no such user, or no such file. */
export function barForService(path: string, files: AccountFiles = SYSTEM): Bar | undefined {
  const users = entriesOf(files.passwd);
  const user = users.find(([name]) => name === NAME);
  if (user === undefined) return undefined;
  const groups = entriesOf(files.group);
  const member = groups.filter(([, , , members = '']) => members.split(',').includes(NAME));
  const ids = { user: idOf(user[2]), groups: [idOf(user[3]), ...member.map(([, , id]) => idOf(id))] };
  try {
    const real = realpathSync(path);
    for (let place = real; ; place = dirname(place)) {
      const { mode, uid, gid } = statSync(place);
      const wanted = place === real ? 0o4 : 0o1;
      if ((bitsFor(ids, mode, uid, gid) & wanted) === 0) {
        const octal = (mode & 0o777).toString(8).padStart(4, '0');
        const owner = `${nameOf(users, uid)}:${nameOf(groups, gid)}`;
        return place === real ? fileBar(path, octal, owner) : folderBar(place, octal, owner);
      }
      if (place === dirname(place)) return undefined;
    }
  } catch {
    return undefined;
  }
}

interface Ids {
  readonly user: number | undefined;
  readonly groups: readonly (number | undefined)[];
}

/** The first of owner, group and others that fits counts, and no other. */
function bitsFor({ user, groups }: Ids, mode: number, uid: number, gid: number): number {
  if (user === uid) return mode >> 6;
  return groups.includes(gid) ? mode >> 3 : mode;
}

function fileBar(path: string, mode: string, owner: string): Bar {
  return {
    found: `the service, user ${NAME}, can not read it (mode ${mode}, ${owner})`,
    todo: `chgrp ${NAME} ${path} && chmod 0640 ${path}; a new one: install -m 0640 -g ${NAME} NEW ${path}`,
  };
}

function folderBar(folder: string, mode: string, owner: string): Bar {
  return {
    found: `the service, user ${NAME}, can not reach it: folder ${folder} (mode ${mode}, ${owner})`,
    todo: `keep it below /etc/${NAME}: install -m 0640 -g ${NAME} FILE /etc/${NAME}/`,
  };
}

function nameOf(list: readonly (readonly string[])[], id: number): string {
  return list.find((entry) => idOf(entry[2]) === id)?.[0] ?? String(id);
}

function idOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

/** Fields by line; no lines where there is no such list. */
function entriesOf(path: string): readonly (readonly string[])[] {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const bytes = Buffer.alloc(LIST_BYTES_MAX);
    const text = bytes.toString('utf8', 0, readSync(file, bytes));
    return text.split('\n').map((line) => line.split(':'));
  } catch {
    return [];
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
