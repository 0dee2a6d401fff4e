/**
 * A pseudo-terminal for tests, the demo and virtual meters: this side is the meter, and `path` is a tty that the agent
 * opens like any other. It is made by perl (perl-base is on every Debian), because Node can not open one and a native
 * module or Python would be one more thing to install. `hangUp` is what a pulled USB adapter does to its tty
 * (tty_vhangup); the same path can be opened again afterwards, as after a replug.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { Fault } from '../fault.ts';
import { PTY_PROGRAM } from './port-users.ts';

export interface Pty {
  /** The tty to open, such as /dev/pts/3. */
  readonly path: string;
  /** To the reader of the tty. Resolves when the bytes left this process; slow while nobody reads. */
  write(bytes: Buffer | string): Promise<void>;
  /** What was written to the tty. One callback; bytes that came before it was set wait for it. */
  onBytes(run: (bytes: Buffer) => void): void;
  /** Unplugs: every holder of the tty gets end of file. Needs root. Resolves once the path can be opened again. */
  hangUp(): Promise<void>;
  /** Ends the terminal and its path for good. */
  close(): Promise<void>;
}

/** Time for perl to start or answer, milliseconds. Long, for a machine that is busy with other things. */
const ANSWER_MS = 10_000;

// TIOCSPTLCK 0x40045431, TIOCGPTN 0x80045430 and TIOCVHANGUP 0x5437 as on x86 and ARM (asm-generic/ioctls.h).
// stdin -> master, master -> stdout; fd 3 takes orders ("h": hang up; end of file: close); stderr is for answers.
const PROGRAM = String.raw`
use strict; use warnings; use POSIX (); use Fcntl qw(O_RDWR O_NOCTTY O_NONBLOCK);
$0 = '${PTY_PROGRAM}'; $SIG{PIPE} = 'IGNORE'; $| = 1; select(STDERR); $| = 1;
sub fail { print STDERR "failed $_[0]: $!\n"; exit 1 }
sub slave {
  sysopen(my $fd, $_[0], O_RDWR | O_NOCTTY) or fail("open $_[0]");
  my $t = POSIX::Termios->new; $t->getattr(fileno $fd);
  $t->setiflag(0); $t->setoflag(0); $t->setlflag(0);
  $t->setcflag(POSIX::CS8() | POSIX::CREAD() | POSIX::CLOCAL());
  $t->setcc(POSIX::VMIN(), 1); $t->setcc(POSIX::VTIME(), 0);
  $t->setattr(fileno $fd, POSIX::TCSANOW()) or fail("raw");
  return $fd;
}
sysopen(my $master, '/dev/ptmx', O_RDWR | O_NOCTTY | O_NONBLOCK) or fail('open /dev/ptmx');
my $unlock = pack('i', 0); ioctl($master, 0x40045431, $unlock) or fail('unlock');
my $number = pack('i', 0); ioctl($master, 0x80045430, $number) or fail('number');
my $path = '/dev/pts/' . unpack('i', $number);
my $slave = slave($path); # held open, so that the master works also while nobody else has the tty
open(my $orders, '<&=', 3) or fail('orders');
print STDERR "path $path\n";
my ($down, $up, $most) = ('', '', 262144);
my ($in, $out, $m, $o) = (fileno(STDIN), fileno(STDOUT), fileno($master), fileno($orders));
while (1) {
  my ($r, $w) = ('', '');
  vec($r, $o, 1) = 1;
  vec($r, $in, 1) = 1 if length($down) < $most;
  vec($r, $m, 1) = 1 if length($up) < $most;
  vec($w, $m, 1) = 1 if length $down;
  vec($w, $out, 1) = 1 if length $up;
  next if select($r, $w, undef, undef) < 0;
  if (vec($r, $o, 1)) {
    sysread($orders, my $order, 1) or last;
    if (ioctl($slave, 0x5437, 0)) { close $slave; $slave = slave($path); $down = ''; print STDERR "hung-up\n" }
    else { print STDERR "refused $!\n" }
    next;
  }
  if (vec($r, $in, 1)) { sysread(STDIN, $down, 65536, length $down) or last }
  if (vec($r, $m, 1)) { sysread($master, $up, 65536, length $up) }
  if (vec($w, $m, 1)) { my $n = syswrite($master, $down, 65536); substr($down, 0, $n, '') if $n }
  if (vec($w, $out, 1)) { my $n = syswrite(STDOUT, $up, 65536); defined $n or last; substr($up, 0, $n, '') }
}
`;

/** Rejects with Fault `line.open` where perl or /dev/ptmx is missing. */
export async function openPty(): Promise<Pty> {
  const child = spawn('perl', ['-e', PROGRAM], { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
  const exited = new Promise<void>((done) => child.once('close', () => done()));
  const answers = new Answers(child, exited);
  // A write to a child that has ended fails through its callback; the stream's own error event says nothing more.
  child.stdin.on('error', () => undefined);
  const orders = child.stdio[3] as unknown as Writable;
  orders.on('error', () => undefined);
  const path = (await answers.next(/^path \S+$/)).slice('path '.length);

  return {
    path,
    write: (bytes) =>
      new Promise((resolve, reject) => {
        child.stdin.write(bytes, (error) => (error ? reject(new Fault('line.closed', error.message)) : resolve()));
      }),
    onBytes: (run) => {
      child.stdout.removeAllListeners('data').on('data', run);
    },
    hangUp: async () => {
      orders.write('h');
      await answers.next(/^hung-up$/);
    },
    close: async () => {
      orders.end();
      const late = setTimeout(() => child.kill('SIGKILL'), ANSWER_MS);
      child.stdout.resume();
      await exited;
      clearTimeout(late);
    },
  };
}

type PtyProcess = ChildProcessByStdio<Writable, Readable, Readable>;

/** The lines perl answers with, each waited for with a deadline. */
class Answers {
  readonly #child: PtyProcess;
  #take: ((line: string) => void) | undefined;
  readonly #ended: Promise<string>;
  #notStarted: string | undefined;

  constructor(child: PtyProcess, exited: Promise<void>) {
    this.#child = child;
    createInterface({ input: child.stderr }).on('line', (line) => this.#take?.(line));
    child.once('error', (error) => {
      this.#notStarted = error.message;
    });
    this.#ended = exited.then(() => this.#notStarted ?? `perl ended, status ${child.exitCode}`);
  }

  /** The next line, which must be `wanted`; else there is no use in the child any more. */
  async next(wanted: RegExp): Promise<string> {
    let late: NodeJS.Timeout | undefined;
    const line = new Promise<string>((resolve) => {
      this.#take = resolve;
      late = setTimeout(() => resolve(`no answer in ${ANSWER_MS} ms`), ANSWER_MS);
    });
    const said = await Promise.race([line, this.#ended]);
    clearTimeout(late);
    if (wanted.test(said)) return said;
    this.#child.kill('SIGKILL');
    throw new Fault('line.open', `pseudo-terminal (perl, /dev/ptmx): ${said}`);
  }
}
