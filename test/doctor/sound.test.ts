/** `fieldpost doctor` beside a running agent on a sound device: nothing to complain of, and the agent does not notice. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { agentProcess } from '../rig/agent-process.ts';
import { until } from '../rig/wait.ts';
import { DEADLINE_MS, doctor, keepSaying, setDevice, setMeter, shows } from './rig.ts';

interface LocalStatus {
  readonly connected: boolean;
  readonly connects: number;
  readonly connection: { readonly takeovers: number };
}

test('on a sound device every line is ok, and the running agent keeps its connection, its line and its session', async (t) => {
  const device = await setDevice(t);
  const { far, sensor } = await setMeter(t);
  const broker = await device.mosquitto();
  const config = await device.configure(broker.port, { sensors: [sensor] as object });
  const runtime = join(device.directory, 'run');
  const status = async (): Promise<LocalStatus | undefined> => {
    const text = await readFile(join(runtime, 'status.json'), 'utf8').catch(() => undefined);
    return text === undefined ? undefined : (JSON.parse(text) as LocalStatus);
  };
  keepSaying(t, far, '{"t":21.5}\n');
  const before = await doctor(t, config);
  shows(before, { part: /^sensor pump$/, name: /^readings$/, state: 'ok', found: /values? in 0\.5 s/ });
  shows(before, {
    part: /^service$/,
    name: /^agent$/,
    state: 'warning',
    found: /does not run/,
    todo: /systemctl start/,
  });

  const agent = agentProcess(t, config, { RUNTIME_DIRECTORY: runtime });
  agent.start();
  const lasting = await until(
    async () => {
      const seen = await status();
      return seen?.connected === true ? seen : undefined;
    },
    () => `the agent's connection; last: ${agent.child.lastWords()}`,
    DEADLINE_MS,
  );
  const joins = (): number => broker.log.filter((line) => / as pump-42 /.test(line)).length;
  const joined = joins();
  const seen = await doctor(t, config, { RUNTIME_DIRECTORY: runtime });
  const strange = seen.checks.filter(({ state, name }) => state !== 'ok' && !name.endsWith(' unit'));
  assert.deepEqual(
    strange.map(({ part, name, state }) => [part.split(' ')[0], name, state]),
    [
      // The lock is the agent's, and the shipped access rules do not let a device read $SYS.
      ['sensor', 'line', 'skipped'],
      ['broker', 'version', 'skipped'],
    ],
    JSON.stringify(strange),
  );
  assert.equal(seen.exit, 0);
  const agentPid = agent.child.pid;
  shows(seen, { part: /^service$/, name: /^agent$/, state: 'ok', found: new RegExp(`process ${agentPid}$`) });
  shows(seen, { part: /^sensor pump$/, name: /^lock$/, state: 'ok', found: /in use by the agent/ });
  shows(seen, { part: /^broker/, name: /^read another/, state: 'ok', found: /judges each message/ });
  shows(seen, { part: /^broker/, name: /^write another/, state: 'ok', found: /is refused$/ });
  const after = await status();
  assert.deepEqual([after?.connects, after?.connection.takeovers], [lasting.connects, lasting.connection.takeovers]);
  assert.equal(joins(), joined);
  assert.ok(!agent.child.lines.some((line) => /connection lost|line .*lost/.test(line)));
  // Before its directory goes: it would write its status once more.
  await agent.term();
});
