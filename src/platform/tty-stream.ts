/**
 * The bytes of a tty, by libuv's own tty stream: it reads and writes inline when epoll says so, without the thread pool,
 * takes the 0 bytes of a hung-up tty for the end that they are, and closes its descriptor before the number can be given to
 * another file. serialport's own reading does neither: it takes 0 bytes for "try again" and spins for ever without telling
 * anyone when the adapter is pulled while data flows (serialport/bindings-cpp#162, open since 2023, seen in 13.0.0).
 */
import { close, constants, fstat, open } from 'node:fs';
import type { OnReadOpts, SocketConstructorOpts } from 'node:net';
import { ReadStream } from 'node:tty';
import { promisify } from 'node:util';

const openDescriptor = promisify(open);
const closeDescriptor = promisify(close);
const statDescriptor = promisify(fstat);

/** Without O_NOCTTY the first tty that a service opens becomes its controlling terminal, whose hang-up kills it. */
const FLAGS = constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK;
/** A read of a tty gives 4 KiB at most (N_TTY_BUF_SIZE). A buffer that is never filled spares libuv a second, empty read. */
const CHUNK_BYTES = 8192;

/**
 * A stream of its own over the tty that `held` is a descriptor of, which nobody reads or writes by `held`. Paused: reading
 * begins with `resume()`. Each chunk is a copy. Rejects when `path` leads to another device by now, or to none.
 *
 * libuv opens the tty again by the name of the descriptor it is given, puts the new one over it (dup2), which would drop
 * a lock, and works on a third; so it is given one that is closed afterwards. Settings belong to the device: they hold.
 */
export async function openTtyStream(path: string, held: number, onBytes: (chunk: Buffer) => void): Promise<ReadStream> {
  const given = await openDescriptor(path, FLAGS);
  let stream: ReadStream;
  try {
    stream = new ReadStream(given, readInto(Buffer.allocUnsafeSlow(CHUNK_BYTES), onBytes));
  } catch (error) {
    await closeDescriptor(given);
    throw error;
  }
  // What could not be opened again has lost its name: unplugged a moment ago. The descriptor is the stream's then.
  if (descriptorOf(stream) === given) {
    stream.destroy();
    throw new Error('gone while it was opened');
  }
  try {
    await expectSameDevice(given, held);
  } catch (error) {
    stream.destroy();
    throw error;
  } finally {
    await closeDescriptor(given);
  }
  return stream;
}

/** One buffer for all reads, where Node would make one of 64 KiB for each. */
function readInto(buffer: Buffer, onBytes: (chunk: Buffer) => void): SocketConstructorOpts & { onread: OnReadOpts } {
  const callback = (count: number): boolean => {
    onBytes(Buffer.from(buffer.subarray(0, count)));
    return true;
  };
  return { onread: { buffer, callback } };
}

/** Node has no public name for it; where there is none the stream passes for one of a descriptor of its own. */
function descriptorOf(stream: ReadStream): number | undefined {
  return (stream as unknown as { readonly _handle?: { readonly fd?: number } })._handle?.fd;
}

/** A tty keeps its device number as long as anybody has it open, so no third device can pass for the one that is held. */
async function expectSameDevice(opened: number, held: number): Promise<void> {
  const [now, then] = await Promise.all([statDescriptor(opened), statDescriptor(held)]);
  if (now.rdev !== then.rdev || now.ino !== then.ino || now.dev !== then.dev)
    throw new Error('became another device while it was opened');
}
