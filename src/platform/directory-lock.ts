/**
 * One writer a directory: an abstract socket named after the directory's inode. The kernel frees it when the process ends,
 * however it ends, so there is no stale lock to judge (Node has no flock). Whoever comes second is told who holds it.
 */
import { stat } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { Fault, systemCodeOf } from '../fault.ts';

/** A holder that hangs does not answer; the fault is the same without its number. */
const ANSWER_MS = 1000;
const ANSWER_BYTES_MAX = 16;

/** Rejects with Fault `ledger.locked`. `use`: what the directory is to its holder, as in "ledger". */
export async function lockDirectory(directory: string, use: 'ledger' | 'output'): Promise<Server> {
  const { dev, ino } = await stat(directory);
  const path = `\0fieldpost-${use}-${dev}-${ino}`;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(String(process.pid));
  });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ path }, resolve);
    });
  } catch (error) {
    const busy = systemCodeOf(error) === 'EADDRINUSE';
    const text = busy ? `another fieldpost process has it open${await holderOf(path)}` : String(error);
    throw new Fault('ledger.locked', `${use} ${directory}: ${text}`, { cause: error });
  }
  server.unref();
  return server;
}

/** As in " (pid 4711)"; nothing when it does not say so. */
function holderOf(path: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ path });
    socket.setTimeout(ANSWER_MS, () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (text.length > ANSWER_BYTES_MAX) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(/^[0-9]{1,10}$/.test(text) ? ` (pid ${text})` : ''));
  });
}
