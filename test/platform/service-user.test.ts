/** What the service's user could not read, by lists of users and groups of the test's own and by real files. */
import assert from 'node:assert/strict';
import { chmod, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { type AccountFiles, barForService, serviceGroup } from '../../src/platform/service-user.ts';
import { temporaryDirectory } from '../rig/temp.ts';

/** Ids that no file of a test has. */
const OTHER = 64_001;

interface Place {
  readonly file: string;
  readonly folder: string;
  /** Of the file. */
  readonly uid: number;
  readonly gid: number;
  readonly lists: (passwd: string, group: string) => Promise<AccountFiles>;
}

async function place(t: TestContext): Promise<Place> {
  const directory = await temporaryDirectory(t);
  await chmod(directory, 0o711);
  const folder = join(directory, 'tls');
  await mkdir(folder, { mode: 0o711 });
  const file = join(folder, 'client.key');
  await writeFile(file, 'a key', { mode: 0o600 });
  const { uid, gid } = await stat(file);
  const files = { passwd: join(directory, 'passwd'), group: join(directory, 'group') };
  const lists = async (passwd: string, group: string): Promise<AccountFiles> => {
    await writeFile(files.passwd, `keeper:x:${uid}:${gid}::/:/bin/sh\n${passwd}`);
    await writeFile(files.group, `keepers:x:${gid}:\n${group}`);
    return files;
  };
  return { file, folder, uid, gid, lists };
}

const SERVICE = `fieldpost:x:${OTHER}:${OTHER}:fieldpost agent:/var/lib/fieldpost:/usr/sbin/nologin\n`;

test('a key of root alone is told with its mode, its owner and what to do', async (t) => {
  const { file, lists } = await place(t);
  const accounts = await lists(SERVICE, `fieldpost:x:${OTHER}:\n`);
  assert.deepEqual(barForService(file, accounts), {
    found: 'the service, user fieldpost, can not read it (mode 0600, keeper:keepers)',
    todo: `chgrp fieldpost ${file} && chmod 0640 ${file}; a new one: install -m 0640 -g fieldpost NEW ${file}`,
  });
  await chmod(file, 0o640);
  assert.match(barForService(file, accounts)?.found ?? '', /mode 0640/);
});

test('its own group, a group that it is a member of, its own files and those of everybody are read', async (t) => {
  const { file, uid, gid, lists } = await place(t);
  await chmod(file, 0o640);
  const own = await lists(`fieldpost:x:${OTHER}:${gid}::/:/bin/sh\n`, '');
  assert.equal(barForService(file, own), undefined);
  const member = await lists(SERVICE, `dialout:x:${gid}:anna,fieldpost\n`);
  assert.equal(barForService(file, member), undefined);
  await chmod(file, 0o604);
  assert.match(barForService(file, member)?.found ?? '', /mode 0604/, 'what its group may counts, not what others may');
  const others = await lists(SERVICE, `fieldpost:x:${OTHER}:\n`);
  assert.equal(barForService(file, others), undefined);
  await chmod(file, 0o400);
  const owner = await lists(`fieldpost:x:${uid}:${OTHER}::/:/bin/sh\n`, '');
  assert.equal(barForService(file, owner), undefined);
});

test('a folder that the service can not pass is told', async (t) => {
  const { file, folder, lists } = await place(t);
  await chmod(file, 0o644);
  await chmod(folder, 0o700);
  const bar = barForService(file, await lists(SERVICE, ''));
  assert.equal(
    bar?.found,
    `the service, user fieldpost, can not reach it: folder ${folder} (mode 0700, keeper:keepers)`,
  );
});

test('without such a user, such lists or such a file there is nothing to tell', async (t) => {
  const { file, lists } = await place(t);
  assert.equal(barForService(file, await lists('', `fieldpost:x:${OTHER}:\n`)), undefined);
  const accounts = await lists(SERVICE, `fieldposts:x:1:\nfieldpost:x:${OTHER}:\n`);
  assert.equal(barForService(`${file}.gone`, accounts), undefined);
  assert.equal(serviceGroup(accounts), OTHER);
  const none = { passwd: `${file}.gone`, group: `${file}.gone` };
  assert.deepEqual([barForService(file, none), serviceGroup(none)], [undefined, undefined]);
  await lists(SERVICE, 'fieldpost:x:many:\n');
  assert.equal(serviceGroup(accounts), undefined);
});
