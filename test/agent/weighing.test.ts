/** What a rule remembers, where the power goes: the built agent on a real tty, ended by SIGKILL. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { test } from 'node:test';
import { listAll } from '../ledger/sample.ts';
import { agentProcess } from '../rig/agent-process.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';
import { ptyFor } from '../serial-rig.ts';

const DEADLINE_MS = 30_000;
const SAY_MS = 50;

const scale = {
  id: 'scale',
  framing: { type: 'line', delimiter: '\n', max: 64 },
  decode: { type: 'regex', pattern: '^W (?<w>[0-9.]+)$' },
  routes: [
    {
      event: {
        stream: 'weighing',
        type: 'weighing',
        fields: { w: { from: 'w', as: 'decimal' } },
        onChange: { field: 'w', by: '0.020' },
      },
    },
  ],
};

async function weighings(ledger: string): Promise<string[]> {
  const events = (await listAll(ledger)).map(
    ({ payload }) => JSON.parse(payload.toString('utf8')) as { type: string; data: { w: { value: string } } },
  );
  return events.filter(({ type }) => type === 'weighing').map(({ data }) => data.w.value);
}

test('a scale that has not moved makes no second event of its last weighing after a power cut', async (t) => {
  const directory = await temporaryDirectory(t);
  const pty = await ptyFor(t);
  const ledger = join(directory, 'ledger');
  const config = join(directory, 'device.json');
  await writeFile(
    config,
    JSON.stringify({
      device: { id: 'pump-42' },
      broker: { urls: ['mqtt://127.0.0.1:1'] },
      ledger: { dir: ledger },
      state: { dir: join(directory, 'state') },
      sensors: [{ ...scale, port: { path: pty.path } }],
    }),
  );
  const agent = agentProcess(t, config);
  /** Weighs again and again until that is in the ledger. */
  const weigh = async (weight: string): Promise<void> => {
    await until(
      async () => {
        await pty.write(Buffer.from(`W ${weight}\n`));
        await pause(SAY_MS);
        return (await weighings(ledger)).includes(weight);
      },
      () => `${weight} in the ledger: ${agent.child.lastWords()}`,
      DEADLINE_MS,
    );
  };
  agent.start();
  await agent.child.line(/line is open/, DEADLINE_MS);
  for (const weight of ['1.000', '2.500', '3.750']) await weigh(weight);
  // The document of what is remembered is a second late at least.
  await agent.kill9();
  agent.start();
  await agent.child.line(/line is open/, DEADLINE_MS);
  for (let said = 0; said < 10; said += 1) {
    await pty.write(Buffer.from('W 3.750\n'));
    await pause(SAY_MS);
  }
  await weigh('5.000');
  assert.deepEqual(await weighings(ledger), ['1.000', '2.500', '3.750', '5.000']);
  await agent.term();
});
