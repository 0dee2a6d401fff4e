/** Says more to systemd than its socket holds, waits for a line on stdin, and says one word more. For systemd.test.ts. */
import { readSync, writeSync } from 'node:fs';
import { systemdSupervisor } from '../../src/platform/systemd.ts';

const COUNT = 50;
/** More than the queue of any unix datagram socket holds. */
const FILL = 5000;

const supervisor = systemdSupervisor();
for (let at = 0; at < FILL; at += 1) supervisor.alive();
supervisor.ready();
for (let at = 0; at < COUNT; at += 1) supervisor.status(`number ${at}`);
writeSync(1, `said ${COUNT}\n`);
readSync(0, Buffer.alloc(16));
supervisor.alive();
writeSync(1, 'done\n');
