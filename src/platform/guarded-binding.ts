/**
 * serialport's binding with reading, writing and closing of its own. The stock read takes the 0 bytes of a hung-up tty
 * for "try again" and spins for ever without telling anyone when the adapter is pulled while data flows
 * (serialport/bindings-cpp#162, open since 2023, seen in 13.0.0); here 0 bytes end the port. And no system call is under
 * way when the descriptor is closed: one that came late would read or write whatever file got the same number next.
 */
import { read, write } from 'node:fs';
import { promisify } from 'node:util';
import { SerialPort } from 'serialport';
import { systemCodeOf } from '../fault.ts';

const readDescriptor = promisify(read);
const writeDescriptor = promisify(write);

type StockPort = Awaited<ReturnType<(typeof SerialPort.binding)['open']>>;

/** What is used of serialport's open options. */
interface OpenOptions {
  readonly path: string;
  readonly baudRate: number;
  readonly dataBits: 5 | 6 | 7 | 8;
  readonly parity: 'none' | 'even' | 'odd';
  readonly stopBits: 1 | 1.5 | 2;
  readonly lock: boolean;
  readonly hupcl: boolean;
}

/** What is used of LinuxPortBinding (and DarwinPortBinding): a non-blocking descriptor and its poller. */
type UnixPort = StockPort & {
  fd: number | null;
  readonly poller: { once(event: 'readable' | 'writable', run: (error: Error | null) => void): unknown };
};

/** For `new SerialPortStream({ binding: guardedBinding, ... })`. */
export const guardedBinding = {
  list: () => SerialPort.list(),
  open: async (options: OpenOptions): Promise<StockPort> => {
    const port = await SerialPort.binding.open(options);
    if (isUnixPort(port)) guard(port);
    return port;
  },
};

function isUnixPort(port: StockPort): port is UnixPort {
  return 'poller' in port && 'fd' in port;
}

/** The stream takes this error as an end that was asked for, any other as a disconnection. */
class PortClosed extends Error {
  readonly canceled = true;
}

const HUNG_UP = 'the line hung up (unplugged?)';

/** libuv reports the POLLERR of a hung-up tty as EBADF. What was canceled is passed on as it is. */
function pollFailure(error: Error): Error {
  return systemCodeOf(error) === 'EBADF' || /bad file descriptor/i.test(error.message)
    ? new Error(HUNG_UP, { cause: error })
    : error;
}

function guard(port: UnixPort): void {
  const calls = new Set<Promise<unknown>>();
  let closing = false;

  /** Runs a system call on the descriptor until it is done; waits for the poller when it would block. */
  const untilDone = async (event: 'readable' | 'writable', call: (fd: number) => Promise<number>): Promise<number> => {
    for (;;) {
      if (closing || port.fd === null) throw new PortClosed('port is closed');
      const running = call(port.fd);
      calls.add(running);
      try {
        return await running;
      } catch (error) {
        const code = systemCodeOf(error);
        if (code !== 'EAGAIN' && code !== 'EWOULDBLOCK' && code !== 'EINTR') throw error;
      } finally {
        calls.delete(running);
      }
      if (closing) throw new PortClosed('port is closed');
      await new Promise<void>((resolve, reject) => {
        port.poller.once(event, (error) => (error === null ? resolve() : reject(pollFailure(error))));
      });
    }
  };

  port.read = async (buffer, offset, length) => {
    const bytesRead = await untilDone(
      'readable',
      async (fd) => (await readDescriptor(fd, buffer, offset, length, null)).bytesRead,
    );
    if (bytesRead === 0) throw new Error(HUNG_UP);
    return { buffer, bytesRead };
  };

  port.write = async (buffer) => {
    let sent = 0;
    while (sent < buffer.length) {
      const from = sent;
      sent += await untilDone(
        'writable',
        async (fd) => (await writeDescriptor(fd, buffer, from, buffer.length - from, null)).bytesWritten,
      );
    }
  };

  const closeStock = port.close.bind(port);
  port.close = async () => {
    closing = true;
    await Promise.allSettled(calls);
    await closeStock();
  };
}
