/**
 * A new certificate by command, on a real Mosquitto with mutual TLS: the key is made on the device, the certificate is
 * tried before it counts, and whatever goes wrong, at whatever moment, the device stays reachable with the one before.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { makeAuthority } from '../../src/workbench/certificates.ts';
import { LinkProxy } from '../../src/workbench/link-proxy.ts';
import { testRandom } from '../rig/random.ts';
import { until } from '../rig/wait.ts';
import { ask, configure, type Document, finalResponse, request, responses, ROOT } from './operator.ts';
import { setStage, type Stage } from './stage.ts';

const DAY_MS = 86_400_000;
const DEADLINE_MS = 20_000;
/** Kills at random moments; `FIELDPOST_RUNS=100` for the longer proof. */
const RUNS = Number(process.env['FIELDPOST_RUNS'] ?? 4);

async function stageWithCommands(t: TestContext): Promise<Stage> {
  const stage = await setStage(t);
  await configure(stage, () => ({ commands: { 'certificate.csr': 'on', 'certificate.install': 'on' } }));
  stage.agent.start();
  await online(stage, 1);
  return stage;
}

/** So many links have come up. */
async function online(stage: Stage, connects: number): Promise<void> {
  await until(
    () =>
      stage.seen().filter(({ topic, payload }) => topic === `${ROOT}/up/status` && isBirth(payload)).length >= connects,
    () => `connection ${connects}; ${stage.agent.child.lastWords()}`,
    DEADLINE_MS,
  );
}

function isBirth({ state, why }: Document): boolean {
  return state === 'online' && (why === 'start' || why === 'reconnect');
}

/** sha256 of the certificate that connections are made with. */
async function used(stage: Stage, id: string): Promise<unknown> {
  const { result } = await ask(stage, 'certificate.status', id);
  return (result as { readonly certificates: readonly Document[] }).certificates[0]?.['sha256'];
}

async function newCertificate(stage: Stage, id: string): Promise<string> {
  const { result } = await ask(stage, 'certificate.csr', id);
  return stage.authority.issueFor((result as { readonly csr: string }).csr);
}

function codeOf({ error }: Document): unknown {
  return (error as { readonly code: string } | undefined)?.code;
}

test('a new certificate is probed, proven and kept, while sales go on, none lost and none twice', async (t) => {
  const stage = await stageWithCommands(t);
  const before = await used(stage, 's1');
  const sold = (): readonly unknown[] =>
    stage.seen().flatMap(({ topic, payload }) => (topic === `${ROOT}/up/event/sale` ? [payload['seq']] : []));
  const sell = (seq: number): Promise<void> =>
    stage.meter(JSON.stringify({ k: 'sale', boot: 'b', seq, ml: 1000, cents: 150 }));
  await sell(1);
  const certificate = await newCertificate(stage, 'r1');
  await request(stage, 'certificate.install', 'i1', { certificate });
  for (let seq = 2; seq <= 20; seq += 1) await sell(seq);
  const { status, result } = await finalResponse(stage, 'certificate.install', 'i1');
  assert.equal(status, 'succeeded');
  const phases = responses(stage, 'certificate.install', 'i1').map(({ phase }) => phase);
  assert.deepEqual(phases, [undefined, 'probe', 'probation', undefined]);
  const after = await used(stage, 's2');
  assert.notEqual(after, before);
  assert.equal((result as Document)['sha256'], after);
  await stage.agent.kill9();
  stage.agent.start();
  assert.equal(await used(stage, 's3'), after, 'it was forgotten at the restart');
  await request(stage, 'certificate.install', 'i1', { certificate });
  const again = await until(
    () =>
      responses(stage, 'certificate.install', 'i1').find(
        ({ repeated, status: said }) => repeated === true && said !== 'executing',
      ),
    'the stored answer',
    DEADLINE_MS,
  );
  assert.deepEqual(again['result'], result);
  await until(() => new Set(sold()).size === 20, 'all sales', DEADLINE_MS);
  assert.equal(sold().length, 20);
});

test('a certificate that the broker does not take changes nothing, and the connection stays', async (t) => {
  const stage = await stageWithCommands(t);
  const before = await used(stage, 's1');
  const { result } = await ask(stage, 'certificate.csr', 'r1');
  const stranger = await makeAuthority('another CA');
  const certificate = await stranger.issueFor((result as { readonly csr: string }).csr);
  const refused = await ask(stage, 'certificate.install', 'i1', { certificate });
  assert.deepEqual([refused['status'], codeOf(refused)], ['failed', 'certificate.refused']);
  assert.equal(await used(stage, 's2'), before);
  const births = stage.seen().filter(({ topic, payload }) => topic === `${ROOT}/up/status` && isBirth(payload));
  assert.equal(births.length, 1, 'the connection was made anew');
  const nonsense = await ask(stage, 'certificate.install', 'i2', { certificate: 'x; reboot `id`' });
  assert.deepEqual([nonsense['status'], codeOf(nonsense)], ['rejected', 'certificate.invalid']);
  // The key still waits, and takes the right one.
  const right = await stage.authority.issueFor((result as { readonly csr: string }).csr);
  assert.equal((await ask(stage, 'certificate.install', 'i3', { certificate: right }))['status'], 'succeeded');
});

test('a copy of the device with a name and a certificate of its own is not held to the one installed on the first', async (t) => {
  const stage = await stageWithCommands(t);
  await request(stage, 'certificate.install', 'i1', { certificate: await newCertificate(stage, 'r1') });
  assert.equal((await finalResponse(stage, 'certificate.install', 'i1')).status, 'succeeded');
  await stage.agent.term();
  const nowMs = Date.now();
  const pair = await stage.authority.issueClient('pump-43', {
    notBefore: new Date(nowMs - 9 * DAY_MS),
    notAfter: new Date(nowMs + 90 * DAY_MS),
  });
  for (const [name, text] of Object.entries({ 'device.pem': pair.cert, 'device.key': pair.key })) {
    await writeFile(join(stage.directory, 'tls', name), text);
  }
  await configure(stage, () => ({ device: { id: 'pump-43' } }));
  stage.agent.start();
  const birth = await until(
    () => stage.seen().find(({ topic, payload }) => topic === 'fp/v1/pump-43/up/status' && isBirth(payload)),
    () => `the birth of pump-43; ${stage.agent.child.lastWords()}`,
    DEADLINE_MS,
  );
  assert.equal(birth.payload['state'], 'online');
  await stage.agent.child.line(/installed certificate is for another device/, DEADLINE_MS);
});

test('a connection that does not come up in time goes back to the certificate before', async (t) => {
  const stage = await setStage(t);
  const way = new LinkProxy({ target: stage.broker.port });
  await way.start();
  t.after(() => way.stop());
  await configure(stage, (document) => ({
    commands: { 'certificate.csr': 'on', 'certificate.install': 'on' },
    broker: { ...(document['broker'] as object), urls: [`mqtts://127.0.0.1:${way.port}`] },
  }));
  stage.agent.start();
  await online(stage, 1);
  const before = await used(stage, 's1');
  const certificate = await newCertificate(stage, 'r1');
  const connections = way.counters.connections;
  await request(stage, 'certificate.install', 'i1', { certificate, within: '2s' });
  // The probe comes through; after it nothing does.
  await until(() => way.counters.connections > connections, 'the probe', DEADLINE_MS);
  way.refuse();
  const failed = (line: string): boolean => line.includes('command failed') && line.includes('certificate.install');
  await until(() => stage.agent.child.lines.some(failed), 'the end of the trial', DEADLINE_MS);
  way.accept();
  const answer = await finalResponse(stage, 'certificate.install', 'i1', 60_000);
  assert.deepEqual([answer['status'], codeOf(answer)], ['failed', 'certificate.reverted']);
  assert.equal(await used(stage, 's2'), before);
});

test('killed at any moment, the device comes back with one of the two, and the answer says with which', async (t) => {
  const random = testRandom(t);
  const stage = await stageWithCommands(t);
  const seen = { succeeded: 0, reverted: 0 };
  for (let run = 0; run < RUNS; run += 1) {
    const before = await used(stage, `s${run}`);
    const certificate = await newCertificate(stage, `r${run}`);
    await request(stage, 'certificate.install', `i${run}`, { certificate });
    await new Promise((resolve) => setTimeout(resolve, random.whole(0, 250)));
    await stage.agent.kill9();
    stage.agent.start();
    // Whatever came of it: asked again, the answer is there, and it fits what is used.
    await request(stage, 'certificate.install', `i${run}`, { certificate });
    const answer = await finalResponse(stage, 'certificate.install', `i${run}`);
    const after = await used(stage, `t${run}`);
    const isNew = answer['status'] === 'succeeded';
    assert.equal(after !== before, isNew, `run ${run}: ${JSON.stringify(answer)}`);
    if (!isNew) assert.equal(codeOf(answer), 'certificate.reverted');
    seen[isNew ? 'succeeded' : 'reverted'] += 1;
  }
  t.diagnostic(`${RUNS} kills: ${seen.succeeded} with the new certificate, ${seen.reverted} with the one before`);
});
