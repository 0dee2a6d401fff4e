/** Figures of the machine while one of the programs that tell them hangs: a real `df` in the path that does not end. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { hostMetrics } from '../../src/platform/host-metrics.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';
import { keptLog, type LogLine } from '../serial-rig.ts';

const DEADLINE_MS = 20_000;

test('a df that hangs costs its own figures alone, is told once and tried again, and not begun without end', async (t) => {
  const directory = await temporaryDirectory(t);
  const started = join(directory, 'started');
  const mended = join(directory, 'mended');
  const ended = join(directory, 'ended');
  // It ends with the directory too, and after a minute.
  const script = `#!/bin/sh
echo $$ >> '${started}'
n=0
while [ -e '${started}' ] && [ ! -e '${mended}' ] && [ $n -lt 600 ]; do n=$((n+1)); sleep 0.1; done
echo $$ >> '${ended}'
echo 'Filesystem Type 1024-blocks Used Available Capacity Mounted on'
echo '/dev/root ext4 1000 400 600 40% /'
`;
  await writeFile(join(directory, 'df'), script);
  await chmod(join(directory, 'df'), 0o755);
  const path = process.env['PATH'];
  process.env['PATH'] = `${directory}:${path}`;
  t.after(() => {
    process.env['PATH'] = path;
  });
  const lines = (file: string): number => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').length : 0);
  const log: LogLine[] = [];
  const host = hostMetrics({ directory, log: keptLog(log), limitMs: 1500 });

  for (let beat = 0; beat < 6; beat += 1) {
    const names = (await host.read(['disk', 'memory'])).map(({ name }) => name);
    assert.deepEqual(names, ['memory_size', 'memory_available', 'agent_memory']);
  }
  await until(() => lines(started) === 3, 'three, tried again at each beat and then no more', DEADLINE_MS);
  assert.equal(log.length, 1);
  assert.deepEqual(log[0]?.fields, { metric: 'disk', reason: 'not told within 1500 ms; is a mount hung?' });

  await writeFile(mended, '');
  await until(() => lines(ended) === 3, 'the end of those that hung', DEADLINE_MS);
  const figures = await until(
    async () => (await host.read(['disk'])).find(({ name }) => name === 'disk_available'),
    'the disk again',
    DEADLINE_MS,
  );
  assert.equal(figures.value, 600 * 1024);
});
