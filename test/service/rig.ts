/**
 * What systemd is to the agent, for tests: a notification socket that keeps what it is told, and says `silent` once when it
 * has not been told `WATCHDOG=1` for its patience. In Perl, because Node has no unix datagram sockets.
 */
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { Child } from '../../src/workbench/child.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';

export const ROOT = resolve(import.meta.dirname, '../..');
export const NOTIFY_SOCKET = join(ROOT, 'systemd/lib/notify-socket');
export const DEADLINE_MS = 40_000;

const LISTEN = `
  use strict; use Socket; use IO::Select; use Time::HiRes 'time'; $| = 1;
  my ($path, $patience) = @ARGV;
  socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die $!;
  bind($socket, sockaddr_un($path)) or die $!;
  print "listens\\n";
  my $select = IO::Select->new($socket);
  my $fed;
  for (;;) {
    if ($select->can_read(0.1)) {
      defined(recv($socket, my $text, 8192, 0)) or die $!;
      $fed = time if $text =~ /^(READY|WATCHDOG)=1$/m;
      print "$_\\n" for split /\\n/, $text;
    }
    if (defined $fed && time - $fed > $patience) { print "silent\\n"; undef $fed; }
  }`;

export interface TestSupervisor {
  readonly env: Readonly<Record<string, string>>;
  /** What it was told so far, one word each. */
  readonly words: () => readonly string[];
  readonly count: (word: string) => number;
  /** Waits for a word. */
  readonly told: (pattern: RegExp) => Promise<string>;
}

/** The socket at `path`, as a process whose output is the words it was told, one a line. */
export function listenToAgent(path: string, patienceMs: number): Child {
  return new Child({ command: 'perl', args: ['-e', LISTEN, path, String(patienceMs / 1000)] });
}

export async function startSupervisor(t: TestContext, patienceMs: number): Promise<TestSupervisor> {
  const path = join(await temporaryDirectory(t), 'notify');
  const child = listenToAgent(path, patienceMs);
  t.after(() => child.kill9());
  const words = (): readonly string[] => child.outLines;
  const told = (pattern: RegExp): Promise<string> =>
    until(
      () => words().find((word) => pattern.test(word)),
      () => `${pattern}; told last: ${words().slice(-3).join(' | ')}`,
      DEADLINE_MS,
    );
  await told(/^listens$/);
  const env = { NOTIFY_SOCKET: path, WATCHDOG_USEC: String(patienceMs * 1000) };
  return { env, words, told, count: (word) => words().filter((one) => one === word).length };
}
