/**
 * The units of systemd/, as systemd itself judges them without being booted, and the script that reboots. What only a booted
 * system shows is in `npm run booted`.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EXIT } from '../../src/cli/exit.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { ROOT } from './rig.ts';

const UNITS = join(ROOT, 'systemd');
const EXPOSURE_MAX = 1.3;
/** From systemd 254 on; older ones say that they do not know them, and go on. */
const NEWER = /Unknown key (?:name )?'Restart(?:Steps|MaxDelaySec)' in section/;

/** Undefined: there is no systemd-analyze here. */
function analyze(...args: readonly string[]): string | undefined {
  const { error, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  return error === undefined ? `${stdout}\n${stderr}` : undefined;
}

/** The units with the paths of this clone in place of the installed ones. */
async function localUnits(t: TestContext): Promise<readonly string[]> {
  const directory = await temporaryDirectory(t);
  const names = (await readdir(UNITS)).filter((name) => /\.(?:service|path)$/.test(name));
  for (const name of names) {
    const text = await readFile(join(UNITS, name), 'utf8');
    await writeFile(join(directory, name), text.replaceAll('/usr/lib/fieldpost/', `${UNITS}/lib/`));
  }
  return names.map((name) => join(directory, name));
}

test('systemd has nothing to say against the units', async (t) => {
  const said = analyze('verify', '--man=no', ...(await localUnits(t)));
  if (said === undefined) return t.skip('systemd-analyze is not here');
  const complaints = said.split('\n').filter((line) => line !== '' && !NEWER.test(line));
  assert.deepEqual(complaints, []);
});

test(`the exposure of the service is at most ${EXPOSURE_MAX}`, async (t) => {
  const said = analyze('security', '--offline=true', join(UNITS, 'fieldpost.service'));
  if (said === undefined) return t.skip('systemd-analyze is not here');
  const exposure = Number(/exposure level for fieldpost\.service: ([\d.]+)/.exec(said)?.[1]);
  assert.ok(exposure <= EXPOSURE_MAX, `exposure ${exposure}: ${said}`);
});

test('the status that keeps systemd from starting again is the one of a wrong configuration', async () => {
  const unit = await readFile(join(UNITS, 'fieldpost.service'), 'utf8');
  assert.equal(/^RestartPreventExitStatus=(\d+)$/m.exec(unit)?.[1], String(EXIT.config));
});

interface RebootStage {
  readonly request: string;
  /** Runs the script after so many seconds of uptime; gives what it said. */
  readonly run: (uptime: number) => string;
  readonly rebooted: () => boolean;
}

async function rebootStage(t: TestContext): Promise<RebootStage> {
  const directory = await temporaryDirectory(t);
  const bin = join(directory, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'systemctl'), `#!/bin/sh\necho "$@" > ${directory}/asked\n`);
  await chmod(join(bin, 'systemctl'), 0o755);
  const request = join(directory, 'reboot');
  const uptimeFile = join(directory, 'uptime');
  return {
    request,
    run: (uptime) => {
      const script = 'echo "$UPTIME.25 1.00" > "$2"; exec "$0" "$1" "$2"';
      const args = ['-c', script, join(UNITS, 'lib/reboot-on-request'), request, uptimeFile];
      const env = { ...process.env, UPTIME: String(uptime), PATH: `${bin}:${process.env['PATH']}` };
      const { status, stdout } = spawnSync('sh', args, { encoding: 'utf8', env, timeout: 10_000 });
      assert.equal(status, 0);
      return stdout;
    },
    rebooted: () => existsSync(join(directory, 'asked')),
  };
}

test('a request reboots once: it is gone before the reboot, and its id is in the journal', async (t) => {
  const { request, run, rebooted } = await rebootStage(t);
  await writeFile(request, '01JD2Z\n');
  assert.equal(run(300), 'reboot asked for by the agent id=01JD2Z\n');
  assert.ok(rebooted());
  assert.ok(!existsSync(request));
});

test('a machine that came up less than five minutes ago is not rebooted, and the request is gone', async (t) => {
  const { request, run, rebooted } = await rebootStage(t);
  await writeFile(request, '01JD2Z\n');
  assert.equal(run(299), 'reboot refused: up for 299 s only, 300 s are needed id=01JD2Z\n');
  assert.ok(!rebooted());
  assert.ok(!existsSync(request));
});

test('a request shows nothing of other files, is not waited for, and writes no second line to the journal', async (t) => {
  const { request, run } = await rebootStage(t);
  await writeFile(`${request}.secret`, 'secret');
  await symlink(`${request}.secret`, request);
  assert.match(run(900), /id=unknown\n$/);
  assert.ok(existsSync(`${request}.secret`));
  spawnSync('mkfifo', [request]);
  assert.match(run(900), /id=unknown\n$/);
  await mkdir(request);
  assert.match(run(900), /id=unknown\n$/);
  await writeFile(request, `a\nb"$(id)${'x'.repeat(100)}`);
  assert.match(run(900), /^reboot asked for by the agent id=abidx{55}\n$/);
});
