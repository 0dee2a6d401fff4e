/** The words to systemd, on a real socket: what does not fit waits for the next word, and nothing said is an error. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemdSupervisor } from '../../src/platform/systemd.ts';
import { NOTIFY_SOCKET, ROOT } from './rig.ts';

const SAY = join(ROOT, 'test/service/say.ts');

test('without systemd, or with the descriptor of another process, everything is said to nobody', () => {
  for (const word of [undefined, '', `${process.pid}:99`, `${process.pid + 1}:1`, 'x']) {
    const supervisor = systemdSupervisor(word === undefined ? {} : { FIELDPOST_NOTIFY: word, WATCHDOG_USEC: '1000' });
    assert.equal(supervisor.listens, false);
    assert.equal(supervisor.patienceMs, undefined);
    supervisor.ready();
    supervisor.status('nobody hears it');
  }
});

test('a program starts also where the notification socket can not be reached', () => {
  for (const path of ['/nowhere/at/all', '@fieldpost-nobody', 'vsock:2:1', '']) {
    const env = { ...process.env, NOTIFY_SOCKET: path };
    const { stdout } = spawnSync(NOTIFY_SOCKET, ['/bin/echo', 'started'], { encoding: 'utf8', env });
    assert.equal(stdout, 'started\n');
  }
});

test('while systemd does not read, the newest words wait and the process does not', async () => {
  const args = ['-e', FULL_SOCKET, NOTIFY_SOCKET, process.execPath, '--import', 'tsx', SAY];
  const { stdout, stderr, status } = spawnSync('perl', args, { encoding: 'utf8', cwd: ROOT, timeout: 30_000 });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^said 50\n/);
  const told = stdout.split('\n').filter((line) => line.startsWith('told '));
  assert.equal(told.at(-1), 'told READY=1|STATUS=number 49|WATCHDOG=1', stdout);
});

/** Reads nothing until the program has said all but its last word, then everything. Abstract, as some containers have it. */
const FULL_SOCKET = `
  use strict; use Socket; $| = 1;
  my $name = "fieldpost-test-$$";
  socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die $!;
  bind($socket, sockaddr_un("\\0$name")) or die $!;
  $ENV{NOTIFY_SOCKET} = "\\@$name";
  pipe(my $fromChild, my $toParent); pipe(my $fromParent, my $toChild);
  my $pid = fork;
  if (!$pid) { open(STDIN, '<&', $fromParent); open(STDOUT, '>&', $toParent); close $toChild; exec @ARGV; }
  close $toParent; close $fromParent;
  my $take = sub { while (defined(recv($socket, my $text, 8192, MSG_DONTWAIT))) { $text =~ s/\\n/|/g; print "told $text\\n"; } };
  print scalar <$fromChild>; $take->(); syswrite($toChild, "go\\n"); <$fromChild>; $take->();
  waitpid($pid, 0); exit($? >> 8);`;
