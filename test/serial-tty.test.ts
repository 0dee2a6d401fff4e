/** What a tty has beside the contract of lines: a lock, settings of the device, descriptors, and other programs on it. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../src/platform/clock.ts';
import { lineOpener } from '../src/platform/lines.ts';
import { openTtyStream } from '../src/platform/tty-stream.ts';
import type { PortSpec } from '../src/ports-line.ts';
import { canHangUp, Heard, keptLog, type LogLine, ptyFarEnd, ptyFor, ttySpec, until } from './serial-rig.ts';
import { lineFactory } from '../src/serial/line.ts';

const opener = lineOpener(systemClock);

/** The descriptors of this process that lead to the tty. */
function descriptorsOf(path: string): string[] {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false;
    }
  });
}

function settingsOf(path: string): string {
  return execFileSync('stty', ['-a', '-F', path], { encoding: 'utf8' });
}

test('a line that is in use can not be opened a second time', async (t) => {
  const pty = await ptyFor(t);
  const first = await opener.open(ttySpec(pty.path), new Heard());
  await assert.rejects(() => opener.open(ttySpec(pty.path), new Heard()), { code: 'line.open', message: /lock/ });
  await first.close();
  const again = await opener.open(ttySpec(pty.path), new Heard());
  await again.close();
});

test('200 openings leave no descriptor open, and each holds the lock until its end', async (t) => {
  const pty = await ptyFor(t);
  const before = readdirSync('/proc/self/fd').length;
  for (let count = 0; count < 200; count += 1) {
    const heard = new Heard();
    const line = await opener.open(ttySpec(pty.path), heard);
    assert.equal(descriptorsOf(pty.path).length, 2);
    if (count % 20 === 0) await assert.rejects(() => opener.open(ttySpec(pty.path), new Heard()), { message: /lock/ });
    if (canHangUp && count % 2 === 0) {
      await pty.hangUp();
      await until(() => heard.closedWith.length > 0, 'the hang-up');
    }
    await line.close();
    assert.deepEqual(descriptorsOf(pty.path), []);
    assert.equal(heard.closedWith.length, 1);
  }
  assert.equal(readdirSync('/proc/self/fd').length, before);
});

test('a hang-up while the line opens gives a failed opening or one that ends, never a deaf one', {
  skip: !canHangUp && 'needs root',
}, async (t) => {
  const pty = await ptyFor(t);
  const outcomes = { failed: 0, ended: 0, sound: 0 };
  for (let count = 0; count < 60; count += 1) {
    const heard = new Heard();
    const opened = opener.open(ttySpec(pty.path), heard).catch(() => undefined);
    await pty.hangUp();
    const line = await opened;
    if (line === undefined) {
      outcomes.failed += 1;
      continue;
    }
    await pty.write('x');
    await until(() => heard.length > 0 || heard.closedWith.length > 0, 'a byte or the end');
    if (heard.closedWith.length > 0) outcomes.ended += 1;
    else outcomes.sound += 1;
    await line.close();
  }
  t.diagnostic(JSON.stringify(outcomes));
  assert.deepEqual(descriptorsOf(pty.path), []);
});

test('a path that leads to another device by the second opening is refused', async (t) => {
  const [one, other] = [await ptyFor(t), await ptyFor(t)];
  const folder = await mkdtemp(join(tmpdir(), 'fieldpost-tty-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'usb-meter');
  await symlink(other.path, path);
  const held = openSync(one.path, 'r+');
  t.after(() => closeSync(held));
  await assert.rejects(() => openTtyStream(path, held, () => undefined), /another device/);
  await until(() => descriptorsOf(other.path).length === 0, 'all descriptors closed');
});

test('the settings are those of the configuration while the line is open, and stay when it is closed', async (t) => {
  const pty = await ptyFor(t);
  const { path } = pty;
  const spec: PortSpec = { kind: 'tty', path, baudRate: 300, dataBits: 8, parity: 'none', stopBits: 2 };
  const heard = new Heard();
  const line = await opener.open(spec, heard);
  const asked = settingsOf(pty.path);
  for (const setting of [/speed 300 baud/, / cs8 /, / cstopb /, / clocal /, /-icanon /, /-echo /])
    assert.match(asked, setting);
  await pty.write('x');
  await until(() => heard.length > 0, 'a byte');
  await line.write(Buffer.from('y'));
  assert.equal(settingsOf(pty.path), asked);
  await line.close();
  assert.equal(settingsOf(pty.path), asked);
});

test('the baud rate is changed on an open line, whose bytes flow on', async (t) => {
  const far = await ptyFarEnd(t);
  assert.ok(far.spec.kind === 'tty');
  const heard = new Heard();
  const line = await opener.open({ ...far.spec, baudRate: 300 }, heard);
  const startedMs = performance.now();
  const written = line.write(Buffer.from('/?!\r\n'));
  await line.setBaudRate(9600);
  await written;
  // 5 characters of 10 bits at 300 Bd: what was written before is off the wire.
  assert.ok(performance.now() - startedMs >= 166);
  assert.match(settingsOf(far.spec.path), /speed 9600 baud/);
  const before = far.received().length;
  await far.send('fast');
  await until(() => heard.length === 4, 'what was sent after');
  await line.write(Buffer.from('ok'));
  await until(() => far.received().length === before + 2, 'what was written after');
  await line.close();
  await assert.rejects(() => line.setBaudRate(300), { code: 'line.closed' });
  assert.match(settingsOf(far.spec.path), /speed 9600 baud/);
});

test('a process that ends with its line open leaves the settings alone, and never got a controlling terminal', async (t) => {
  const pty = await ptyFor(t);
  const program = `
    import { readFileSync } from 'node:fs';
    import { systemClock } from ${JSON.stringify(resolve(import.meta.dirname, '../src/platform/clock.ts'))};
    import { lineOpener } from ${JSON.stringify(resolve(import.meta.dirname, '../src/platform/lines.ts'))};
    const spec = { kind: 'tty', path: ${JSON.stringify(pty.path)}, baudRate: 4800, dataBits: 8, parity: 'none', stopBits: 1 };
    await lineOpener(systemClock).open(spec, { bytes: () => undefined, closed: () => undefined });
    const [, , , , terminal] = readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ');
    console.log(terminal);
    process.exit(0);`;
  // Detached: the leader of a session without a terminal, as a service is.
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  await new Promise((done) => child.once('close', done));
  assert.equal(said, '0\n');
  for (const setting of [/speed 4800 baud/, / clocal /, /-icanon /, /-echo /])
    assert.match(settingsOf(pty.path), setting);
});

test('no file that gets the number of a descriptor after a hang-up is read or written', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fieldpost-tty-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (let trial = 0; trial < 10; trial += 1) {
    const far = await ptyFarEnd(t);
    const heard = new Heard();
    const line = await opener.open(far.spec, heard);
    const write = line.write(Buffer.alloc(8 << 20, 'w')).catch((error: { code: string }) => error.code);
    await far.unplug();
    const paths: string[] = [];
    const files: number[] = [];
    await until(() => {
      // Takes every number as it becomes free.
      paths.push(join(folder, `${trial}-${paths.length}`));
      files.push(openSync(paths.at(-1) ?? '', 'w+'));
      return heard.closedWith.length > 0;
    }, 'the end');
    assert.equal(await write, 'line.closed');
    await line.close();
    for (const file of files) closeSync(file);
    for (const path of paths) assert.equal(readFileSync(path).length, 0);
    assert.equal(heard.length, 0);
  }
});

test('another program that has the line open is named, once', async (t) => {
  const pty = await ptyFor(t);
  const child = spawn('sleep', ['60'], { stdio: [openSync(pty.path, 'r'), 'ignore', 'ignore'] });
  t.after(() => child.kill());
  const open = await opener.open(ttySpec(pty.path), new Heard());
  // The meter's own program, which made the pty and holds both ends of it, is none.
  assert.deepEqual(await open.others?.(), [{ pid: child.pid, program: 'sleep' }]);
  await open.close();

  const log: LogLine[] = [];
  const line = lineFactory({
    opener,
    clock: systemClock,
    chance: { unit: () => 0.1, bytes: (count) => Buffer.alloc(count) },
    log: keptLog(log),
  })({
    sensor: 'pump',
    port: ttySpec(pty.path),
    framing: { type: 'line', delimiter: '\n', max: 64 },
    dropsTorn: false,
    events: { up: () => undefined, down: () => undefined, frame: () => undefined, discarded: () => undefined },
  });
  t.after(() => line.stop());
  line.start();
  const isTold = ({ sentence, fields }: LogLine): boolean =>
    /another program/.test(sentence) && fields['pid'] === child.pid;
  await until(() => log.some(isTold), 'the log line');
  line.reopen(1, 'for the test');
  await until(() => line.counters.reopens === 1, 'the next opening');
  await line.stop();
  assert.equal(log.filter(isTold).length, 1);
});
