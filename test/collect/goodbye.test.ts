/** The end of `fieldpost collect`: on a disk that is slow, and with messages still coming in. Real Mosquitto, real signals. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { AckGate } from '../../src/collect/ack-gate.ts';
import { Child } from '../../src/workbench/child.ts';
import { builtProgram } from '../rig/agent-process.ts';
import { startMosquitto } from '../rig/mosquitto.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';
import { device, keptLines } from './rig.ts';

const DEADLINE_MS = 30_000;
const PUBLISHER = 'mosquitto_pub';

test('no acknowledgement leaves while a sync is under way, also when the collector is told to end', async (t) => {
  if (spawnSync('strace', ['-V']).status !== 0) return t.skip('needs strace');
  const home = await temporaryDirectory(t);
  const broker = await startMosquitto(t);
  const [out, trace] = [join(home, 'out'), join(home, 'trace')];
  const [node, program] = builtProgram();
  // Each sync takes 0.3 s, so that messages come in during each.
  const slow = ['-e', 'trace=fdatasync,write,writev,sendto', '-e', 'inject=fdatasync:delay_enter=300000'];
  const url = `mqtt://127.0.0.1:${broker.port}`;
  const collect = [node, program, 'collect', '--url', url, '--out', out, '--json'];
  const collector = new Child({ command: 'strace', args: ['-f', '-qq', '-x', '-o', trace, ...slow, ...collect] });
  t.after(() => collector.kill9());
  const topic = ['-t', 'fp/v1/pump-42/up/event/sale', '-q', '1', '-l'];
  const meter = spawn(PUBLISHER, ['-h', '127.0.0.1', '-p', String(broker.port), ...topic]);
  t.after(() => meter.kill('SIGKILL'));
  const make = device('pump-42', 'A1');
  let seq = 0;
  const selling = setInterval(() => meter.stdin.write(`${make((seq += 1)).toString()}\n`), 10);
  t.after(() => clearInterval(selling));
  const kept = async (): Promise<number> => (await keptLines(out).catch(() => [])).length;
  await until(
    async () => (await kept()) >= 20,
    () => `events to be written; ${collector.lastWords()}`,
    DEADLINE_MS,
  );
  // strace's child is the collector; strace passes no signal on.
  const [pid] = (await readFile(`/proc/${collector.pid}/task/${collector.pid}/children`, 'utf8')).trim().split(' ');
  process.kill(Number(pid), 'SIGTERM');
  assert.equal((await collector.exited).code, 0, collector.lastWords());
  const { stored } = JSON.parse(collector.outLines.at(-1) ?? '{}') as { stored: number };
  assert.equal(await kept(), stored);
  const early = acknowledgedDuringSync(await readFile(trace, 'utf8'));
  assert.deepEqual(early, { syncs: early.syncs, acknowledgements: early.acknowledgements, early: [] });
  assert.ok(early.syncs >= 2 && early.acknowledgements >= 2, JSON.stringify(early));
});

interface Acknowledged {
  syncs: number;
  acknowledgements: number;
  /** Calls that wrote a PUBACK (0x40) before a sync that had begun was over. */
  early: string[];
}

function acknowledgedDuringSync(trace: string): Acknowledged {
  const seen: Acknowledged = { syncs: 0, acknowledgements: 0, early: [] };
  const syncing = new Set<string>();
  for (const line of trace.split('\n')) {
    const [thread = ''] = line.split(' ');
    if (/fdatasync\(/.test(line)) {
      seen.syncs += 1;
      if (line.includes('<unfinished')) syncing.add(thread);
    } else if (line.includes('fdatasync resumed')) syncing.delete(thread);
    else if (
      /(write|sendto)\(\d+, "\\x40|writev\(\d+, \[\{iov_base="\\x40|(write|sendto)\(\d+, "@\\x0|writev\(\d+, \[\{iov_base="@\\x0/.test(
        line,
      )
    ) {
      seen.acknowledgements += 1;
      if (syncing.size > 0) seen.early.push(line);
    }
  }
  return seen;
}

test('what is held back at a goodbye never leaves, and what comes after it is not taken', async (t) => {
  const peers: Socket[] = [];
  const server = createServer((socket) => peers.push(socket)).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const gate = new AckGate(connect({ host: '127.0.0.1', port }));
  let came = '';
  gate.on('data', (chunk: Buffer) => (came += chunk.toString()));
  gate.write('first ');
  await until(() => peers.length > 0, 'the connection', DEADLINE_MS);
  let got = '';
  peers[0]?.on('data', (chunk: Buffer) => (got += chunk.toString()));
  peers[0]?.write('one');
  await until(() => came === 'one' && got === 'first ', 'both ways', DEADLINE_MS);
  gate.hold();
  gate.write('held');
  gate.stopReading();
  peers[0]?.write('two');
  gate.end();
  await once(peers[0] as Socket, 'end');
  assert.deepEqual([got, came], ['first ', 'one']);
  peers[0]?.destroy();
});
