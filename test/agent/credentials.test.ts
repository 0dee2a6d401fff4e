/** `cred:NAME` in device.json: files that systemd hands to the service, whose rights and absence are judged differently. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, chown, copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { PROGRAM } from '../cli-serial/rig.ts';
import { DEADLINE_MS, endShown, type FaultStage, setFaultStage, withTls } from './fault-stage.ts';

const NAMED = withTls({ cert: 'cred:client.pem', key: 'cred:client.key' });

/** As systemd makes it: a directory of the service's, files that only it can read. */
async function handOver(stage: FaultStage): Promise<{ readonly CREDENTIALS_DIRECTORY: string }> {
  const directory = join(stage.directory, 'credentials');
  await mkdir(directory);
  await copyFile(stage.device.cert, join(directory, 'client.pem'));
  await copyFile(stage.device.key, join(directory, 'client.key'));
  await chmod(join(directory, 'client.key'), 0o400);
  return { CREDENTIALS_DIRECTORY: directory };
}

describe('credentials from systemd', { concurrency: 4 }, () => {
  test('are taken by their names, also where an access control list shows as the rights of a foreign group', async (t) => {
    const stage = await setFaultStage(t);
    const broker = await stage.mosquitto();
    const env = await handOver(stage);
    if (process.getuid?.() === 0) {
      await chown(join(env.CREDENTIALS_DIRECTORY, 'client.key'), 0, 4242);
      await chmod(join(env.CREDENTIALS_DIRECTORY, 'client.key'), 0o440);
    }
    const agent = await stage.agent(broker.port, NAMED, env);
    agent.process.start();
    await agent.process.child.line(/broker connected/, DEADLINE_MS);
  });

  test('that others could read end the start with 77 all the same', async (t) => {
    const stage = await setFaultStage(t);
    const env = await handOver(stage);
    await chmod(join(env.CREDENTIALS_DIRECTORY, 'client.key'), 0o444);
    const agent = await stage.agent(1, NAMED, env);
    agent.process.start();
    assert.equal((await agent.process.child.exited).code, 77);
  });

  test('that are missing do not end the start: events are accepted, the word says why there is no connection', async (t) => {
    const stage = await setFaultStage(t);
    const broker = await stage.mosquitto();
    const env = await handOver(stage);
    const key = join(env.CREDENTIALS_DIRECTORY, 'client.key');
    const text = await readFile(key);
    await rm(key);
    const agent = await stage.agent(broker.port, NAMED, env);
    agent.process.start();
    await agent.process.child.line(/^error: .*cred:client\.key: must be a credential .*LoadCredential=/, DEADLINE_MS);
    await agent.sell(1);
    const status = await endShown(agent, 'identity.files');
    assert.match(status.connection.last_end?.text ?? '', /cred:client\.key/);
    await writeFile(key, text, { mode: 0o400 });
    await agent.process.child.line(/broker connected/, DEADLINE_MS);
  });

  test('are no fault for `fieldpost check` and doctor, which are started by hand', async (t) => {
    const stage = await setFaultStage(t);
    await stage.agent(1, NAMED);
    const config = ['--config', join(stage.directory, 'device.json'), '--json'];
    const run = promisify(execFile);
    const checked = await run(process.execPath, [...PROGRAM, 'check', ...config]);
    const { ok, warnings } = JSON.parse(checked.stdout) as { readonly ok: boolean; readonly warnings: string[] };
    assert.equal(ok, true);
    assert.match(warnings.join('\n'), /private key cred:client\.key: .*CREDENTIALS_DIRECTORY is not set/);
    const looked = await run(process.execPath, [...PROGRAM, 'doctor', '--seconds', '0.1', ...config]).catch(
      (error: unknown) => error as { readonly stdout: string },
    );
    assert.match(looked.stdout, /"name":"private key","state":"warning","found":"[^"]*cred:client\.key/);
    assert.match(looked.stdout, /"name":"TLS","state":"skipped"|"name":"TCP","state":"failed"/);
  });
});
