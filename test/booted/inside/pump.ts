/**
 * A pump on a TCP line: one sale after the other, each repeated until it is answered, across every restart of either side. It
 * writes down each answer: from then on the sale is fieldpost's to keep.
 */
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { ANSWERED_FILE, PUMP_BOOT, PUMP_PORT } from './state.ts';

const REPEAT_MS = 200;

let current: Socket | undefined;
let seq = answeredSoFar() + 1;

function answeredSoFar(): number {
  try {
    return Number(readFileSync(ANSWERED_FILE, 'utf8').trim().split('\n').at(-1));
  } catch {
    return 0;
  }
}

function sell(): void {
  current?.write(`{"k":"sale","boot":"${PUMP_BOOT}","seq":${seq},"ml":${1000 + (seq % 997)}}\n`);
}

function answered(): void {
  const file = openSync(ANSWERED_FILE, 'a');
  writeSync(file, `${seq}\n`);
  fsyncSync(file);
  closeSync(file);
  seq += 1;
}

createServer({ noDelay: true }, (socket) => {
  current?.destroy();
  current = socket;
  let heard = '';
  socket.on('error', () => undefined);
  socket.on('data', (bytes: Buffer) => {
    heard = (heard + bytes.toString('latin1')).slice(-1000);
    if (heard.includes(`ACK ${PUMP_BOOT} ${seq}\n`)) answered();
  });
}).listen(PUMP_PORT, '127.0.0.1');
setInterval(sell, REPEAT_MS);
