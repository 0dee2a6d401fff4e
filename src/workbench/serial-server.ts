/**
 * A raw TCP serial server with a virtual device behind it, as ser2net would be one: whoever connects is on the line, a
 * newer connection takes the line over.
 */
import { createServer, type Server, type Socket } from 'node:net';

/** Unsent bytes from which the line takes no more, as a serial line's own buffer would. */
const UNSENT_MAX = 64 * 1024;

export interface LineEvents {
  readonly opened: () => void;
  readonly bytes: (bytes: Buffer) => void;
}

/** The device's end of a line, whatever carries it. */
export interface DeviceLine {
  /** Where the agent finds it: a tty's path or `host:port`. */
  readonly port: { readonly path: string } | { readonly tcp: string };
  /** False: nobody is connected, or the line is full. */
  readonly write: (text: string) => boolean;
  readonly close: () => Promise<void>;
}

export async function openSerialServer(events: LineEvents): Promise<DeviceLine> {
  let current: Socket | undefined;
  const server = createServer({ noDelay: true }, (socket) => {
    current?.destroy();
    current = socket;
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      if (socket === current) events.bytes(bytes);
    });
    socket.once('close', () => {
      if (socket === current) current = undefined;
    });
    events.opened();
  });
  const port = await listen(server);
  return {
    port: { tcp: `127.0.0.1:${port}` },
    write: (text) => {
      if (current === undefined || current.destroyed || current.writableLength > UNSENT_MAX) return false;
      current.write(text);
      return true;
    },
    close: () => {
      current?.destroy();
      return new Promise((done) => server.close(() => done()));
    },
  };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(0, '127.0.0.1', done);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server without a port');
  return address.port;
}
