/**
 * What a broker that ignores the announced maximum packet size costs: it begins a packet of --mib (100) and sends it as
 * fast as it is taken. The built agent, and MQTT.js alone, each as its own process; memory is the kernel's own record.
 */
import { createServer, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Child } from '../src/workbench/child.ts';
import { writeDeviceFile } from '../src/workbench/device-file.ts';
import { makeTemporaryDirectory } from '../src/workbench/temp.ts';
import type { Undo } from '../src/workbench/undo.ts';
import { until } from '../src/workbench/wait.ts';
import { peakRssMib } from './rig/own-figures.ts';
import { aimLines, atLeast, atMost, table } from './rig/report.ts';
import { runBenchmark } from './rig/run.ts';
import { bundle } from './rig/worker.ts';

const MIB = 1 << 20;
const DEADLINE_MS = 60_000;
const PINGREQ = 0xc0;
const ROOT = resolve(import.meta.dirname, '..');

const { values: options } = parseArgs({
  options: { json: { type: 'boolean', default: false }, mib: { type: 'string', default: '100' } },
});
const length = Number(options.mib) * MIB;
if (!(length >= MIB && length < 256 * MIB)) throw new Error('--mib must be 1 to 255');

interface Row {
  readonly client: string;
  readonly sentMib: number;
  readonly beforeMib: number;
  readonly roseMib: number;
  readonly closed: boolean;
}

/** Accepts; when the client has fallen idle (its first PINGREQ) the packet begins. */
class Flood {
  readonly #server = createServer((socket) => this.#take(socket));
  readonly #sockets = new Set<Socket>();
  /** The idle one. */
  socket: Socket | undefined;

  async start(): Promise<number> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #take(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => socket.write(Buffer.of(0x20, 3, 0, 0, 0)));
    socket.on('data', (bytes) => {
      if (bytes.length === 2 && bytes[0] === PINGREQ) this.socket ??= socket;
    });
  }
}

async function send(socket: Socket): Promise<void> {
  const digits = [0, 1, 2, 3].map((at) => (Math.floor(length / 128 ** at) & 0x7f) | (at < 3 ? 0x80 : 0));
  const block = Buffer.alloc(64 * 1024, 0x61);
  const more = (): void => {
    while (!socket.destroyed && socket.bytesWritten < length && socket.write(block));
  };
  socket.write(Buffer.from([0x30, ...digits]));
  socket.on('drain', more);
  more();
  // One byte short, or more precisely the header and CONNACK short: the packet never ends.
  const over = (): boolean => socket.destroyed || (socket.bytesWritten >= length && socket.writableLength === 0);
  await until(over, 'the packet to be taken, or the connection to end', DEADLINE_MS);
}

async function measure(client: string, undo: Undo, start: (port: number) => Promise<Child>): Promise<Row> {
  const flood = new Flood();
  undo.add(() => flood.stop());
  const child = await start(await flood.start());
  undo.add(() => child.kill9());
  const socket = await until(
    () => flood.socket,
    () => `a PINGREQ of ${client}; last: ${child.lastWords()}`,
    DEADLINE_MS,
  );
  const pid = child.pid ?? 0;
  const beforeMib = peakRssMib(pid);
  await send(socket);
  const sentMib = (socket.bytesWritten - socket.writableLength) / MIB;
  const roseMib = peakRssMib(pid) - beforeMib;
  const row = { client, sentMib, beforeMib, roseMib, closed: socket.destroyed };
  await child.kill9();
  flood.stop();
  return row;
}

async function main(undo: Undo): Promise<void> {
  const directory = await makeTemporaryDirectory('oversize');
  undo.add(directory.remove);
  const plain = await bundle(join(import.meta.dirname, 'oversize/mqttjs-client.ts'), directory.path, 'mqttjs');
  const node = process.execPath;
  const rows = [
    await measure('fieldpost', undo, async (port) => {
      const config = await writeDeviceFile(join(directory.path, 'device.json'), {
        device: 'pump-42',
        brokerPort: port,
        protocol: 5,
        ledgerDirectory: join(directory.path, 'ledger'),
        line: { tcp: '127.0.0.1:1' },
      });
      return new Child({ command: node, args: [join(ROOT, 'dist/fieldpost.mjs'), 'run', '--config', config] });
    }),
    await measure('MQTT.js alone', undo, async (port) =>
      Promise.resolve(new Child({ command: node, args: [plain, JSON.stringify({ port })] })),
    ),
  ];
  const head = ['client', 'MiB taken', 'peak before MiB', 'rose by MiB', 'connection'];
  const cells = rows.map(({ client, sentMib, beforeMib, roseMib, closed }) => [
    client,
    sentMib.toFixed(1),
    beforeMib.toFixed(1),
    roseMib.toFixed(1),
    closed ? 'ended' : 'kept',
  ]);
  process.stdout.write(table(head, cells, 1));
  const [own, other] = rows as [Row, Row];
  const aims = [
    atMost('memory of the agent rose by, MiB', own.roseMib, 8),
    atLeast('control: that of MQTT.js alone rose by, MiB', other.roseMib, (length / MIB) * 0.8),
  ];
  process.stdout.write(`\n${aimLines(aims)}`);
  if (options.json) process.stdout.write(`${JSON.stringify({ bench: 'oversize', mib: length / MIB, rows, aims })}\n`);
}

await runBenchmark('oversize', main);
