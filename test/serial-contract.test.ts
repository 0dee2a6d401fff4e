/** The contract of a line: every opener keeps it, ttys and TCP serial servers alike. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../src/platform/clock.ts';
import { lineOpener } from '../src/platform/lines.ts';
import type { PortSpec } from '../src/ports-line.ts';
import { HandClock } from './sensor-rig.ts';
import { type FarEnd, Heard, ptyFarEnd, tcpFarEnd, ttySpec, until } from './serial-rig.ts';

const opener = lineOpener(systemClock);

const KINDS: readonly {
  readonly name: string;
  readonly farEnd: (t: TestContext) => Promise<FarEnd>;
  readonly nowhere: PortSpec;
  readonly names: RegExp;
}[] = [
  { name: 'tty', farEnd: ptyFarEnd, nowhere: ttySpec('/dev/no-such-tty'), names: /\/dev\/no-such-tty: No such file/ },
  {
    name: 'tcp',
    farEnd: tcpFarEnd,
    // Port 1 of the loopback: nobody listens.
    nowhere: { kind: 'tcp', host: '127.0.0.1', port: 1 },
    names: /127\.0\.0\.1:1: .*ECONNREFUSED/,
  },
];

for (const { name, farEnd, nowhere, names } of KINDS) {
  test(`${name}: bytes come in order and whole, and go out the same way`, async (t) => {
    const far = await farEnd(t);
    const heard = new Heard();
    const line = await opener.open(far.spec, heard);
    const pattern = Buffer.from(Array.from({ length: 200_000 }, (_, index) => (index * 7 + (index >> 8)) & 0xff));
    await far.send(pattern);
    await until(() => heard.length >= pattern.length, 'all bytes');
    assert.deepEqual(heard.all, pattern);

    await Promise.all([line.write(pattern.subarray(0, 5000)), line.write(pattern.subarray(5000, 9000))]);
    await until(() => far.received().length >= 9000, 'all bytes at the far end');
    assert.deepEqual(far.received(), pattern.subarray(0, 9000));
    await line.close();
    assert.equal(heard.late, 0);
  });

  test(`${name}: an unplug is told once, and nothing can be written after it`, async (t) => {
    const far = await farEnd(t);
    const heard = new Heard();
    const line = await opener.open(far.spec, heard);
    await far.send('x');
    await until(() => heard.length > 0, 'a byte');
    await far.unplug();
    await until(() => heard.closedWith.length > 0, 'the end');
    await assert.rejects(() => line.write(Buffer.from('late')), { code: 'line.closed' });
    await line.close();
    await line.close();
    assert.equal(heard.closedWith.length, 1);
    assert.notEqual(heard.closedWith[0], 'closed by the agent');
    assert.equal(far.received().length, 0);
  });

  test(`${name}: closing tells it once, and a write after it fails`, async (t) => {
    const far = await farEnd(t);
    const heard = new Heard();
    const line = await opener.open(far.spec, heard);
    const closed = line.close();
    await assert.rejects(() => line.write(Buffer.from('late')), { code: 'line.closed' });
    await closed;
    assert.deepEqual(heard.closedWith, ['closed by the agent']);
  });

  test(`${name}: a write that is under way when the line is closed does not hang`, async (t) => {
    const far = await farEnd(t);
    const line = await opener.open(far.spec, new Heard());
    // More than any buffer on the way holds, to a far end that may read or not.
    const writes = [line.write(Buffer.alloc(8 << 20)), line.write(Buffer.from('next'))].map((write) =>
      write.then(
        () => 'written',
        (error: { code: string }) => error.code,
      ),
    );
    await line.close();
    for (const end of await Promise.all(writes)) assert.ok(end === 'written' || end === 'line.closed', end);
  });

  test(`${name}: what can not be opened is told with its name and the system's reason`, async () => {
    await assert.rejects(() => opener.open(nowhere, new Heard()), { code: 'line.open', message: names });
  });

  test(`${name}: a new opening is a new connection`, async (t) => {
    const far = await farEnd(t);
    const first = await opener.open(far.spec, new Heard());
    await first.close();
    const heard = new Heard();
    const second = await opener.open(far.spec, heard);
    await assert.rejects(() => first.write(Buffer.from('stale')), { code: 'line.closed' });
    await far.send('fresh');
    await until(() => heard.length >= 5, 'bytes on the second connection');
    await second.write(Buffer.from('ok'));
    await until(() => far.received().length >= 2, 'the answer');
    assert.equal(far.received().toString(), 'ok');
    await second.close();
  });
}

test('tcp: a line that says nothing to request after request for a minute is given up; any byte gives it another', async (t) => {
  const clock = new HandClock();
  const far = await tcpFarEnd(t);
  const heard = new Heard();
  const line = await lineOpener(clock).open(far.spec, heard);
  const ask = (): Promise<void> => line.write(Buffer.from('?'));
  for (let asked = 0; asked < 3; asked += 1) await ask();
  clock.pass(59_000);
  await ask();
  await far.send('x');
  await until(() => heard.length === 1, 'the byte');
  for (let asked = 0; asked < 2; asked += 1) await ask();
  clock.pass(61_000);
  await ask();
  await assert.rejects(ask, { code: 'line.closed' });
  await until(() => heard.closedWith.length > 0, 'the end');
  assert.match(heard.closedWith[0] ?? '', /3 writes in 60 s, and no byte came/);
});
