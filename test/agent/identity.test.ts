/**
 * Who is who on the link: every way that the broker's identity or ours can fail, on a real Mosquitto with real
 * certificates. Each has its own word, makes no storm, and costs no sale.
 */
import assert from 'node:assert/strict';
import { chmod, chown } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { makeAuthority, type Validity } from '../../src/workbench/certificates.ts';
import { startConsumer } from '../rig/consumer.ts';
import { until } from '../rig/wait.ts';
import {
  type BrokerKeys,
  connectionsTo,
  DEADLINE_MS,
  endShown,
  type Expected,
  type FaultStage,
  type MosquittoChoice,
  setFaultStage,
  showsFault,
  withTls,
} from './fault-stage.ts';

const DAY_MS = 86_400_000;
/** What tells that it may be the clock that is wrong. */
const CLOCK = /this device's clock says \d{4}-\d\d-\d\dT[\d:.]+Z/;

function valid(fromDays: number, toDays: number): Validity {
  const nowMs = Date.now();
  return { notBefore: new Date(nowMs + fromDays * DAY_MS), notAfter: new Date(nowMs + toDays * DAY_MS) };
}

interface Arranged extends MosquittoChoice {
  readonly change?: (broker: BrokerKeys) => BrokerKeys;
  readonly agentEnv?: Readonly<Record<string, string>>;
}

type Row = readonly [name: string, expected: Expected, arrange: (stage: FaultStage) => Promise<Arranged>];

function testRows(prefix: string, rows: readonly Row[]): void {
  for (const [name, expected, arrange] of rows) {
    test(`${prefix}: ${name}`, async (t) => {
      const stage = await setFaultStage(t);
      const { change, agentEnv, ...choice } = await arrange(stage);
      const broker = await stage.mosquitto(choice);
      const agent = await stage.agent(broker.port, change, agentEnv);
      await showsFault(agent, { ...expected, attempts: () => connectionsTo(broker) });
    });
  }
}

async function ofAnotherCa(): Promise<Arranged> {
  return { server: await (await makeAuthority('test authority')).issueServer(['127.0.0.1']) };
}

const THEIRS: readonly Row[] = [
  ['its certificate is of another CA', { word: 'tls.other-ca', says: /another CA than tls\.ca/ }, ofAnotherCa],
  [
    'its certificate is of another CA, and the environment tells Node to take any',
    { word: 'tls.other-ca', says: /another CA than tls\.ca/ },
    async () => ({ ...(await ofAnotherCa()), agentEnv: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } }),
  ],
  [
    'its certificate is for another name',
    { word: 'tls.wrong-name', says: /for another name .*127\.0\.0\.1/ },
    async ({ authority }) => ({ server: await authority.issueServer(['broker.example']) }),
  ],
  [
    'its certificate has expired',
    { word: 'tls.expired', says: CLOCK },
    async ({ authority }) => ({ server: await authority.issueServer(['127.0.0.1'], valid(-9, -1)) }),
  ],
  [
    'its certificate is not yet valid',
    { word: 'tls.not-yet-valid', says: CLOCK },
    async ({ authority }) => ({ server: await authority.issueServer(['127.0.0.1'], valid(1, 9)) }),
  ],
  [
    'its certificate is on the list of broker.tls.crl',
    { word: 'tls.revoked', says: /revoked by tls\.crl/ },
    async ({ authority, put }) => {
      const server = await authority.issueServer(['127.0.0.1']);
      return { server, change: withTls({ crl: await put('crl.pem', await authority.revoke([server.cert])) }) };
    },
  ],
  [
    'broker.tls.crl has no list of its CA',
    { word: 'tls.no-crl', says: /no list of the broker's CA/ },
    async ({ put }) => {
      const other = await makeAuthority('another authority');
      return { change: withTls({ crl: await put('crl.pem', await other.revoke([])) }) };
    },
  ],
  [
    'the list of broker.tls.crl is out of date',
    { word: 'tls.no-crl', says: CLOCK },
    async ({ authority, put }) => ({
      change: withTls({ crl: await put('crl.pem', await authority.revoke([], valid(-9, -1))) }),
    }),
  ],
];

/** OpenSSL of the broker speaks no TLS 1.3: the broker's judgement then comes within the handshake, not after it. */
async function tls12(stage: FaultStage): Promise<Arranged> {
  const lines = [
    'openssl_conf = a',
    '[a]',
    'ssl_conf = b',
    '[b]',
    'system_default = c',
    '[c]',
    'MaxProtocol = TLSv1.2',
  ];
  return { env: { OPENSSL_CONF: await stage.put('openssl.cnf', `${lines.join('\n')}\n`) } };
}

const OURS: readonly Row[] = [
  [
    'it is missing',
    { word: 'identity.missing', says: /tls\.cert, tls\.key/ },
    async ({ ca }) => ({ change: (broker) => ({ ...broker, tls: { ca } }) }),
  ],
  [
    'it is revoked',
    { word: 'identity.revoked', says: /our client certificate is revoked/ },
    async ({ authority, put, putPair }) => {
      const pair = await authority.issueClient('pump-42');
      const list = await put('crl.pem', await authority.revoke([pair.cert]));
      return { lines: [`crlfile ${list}`], change: withTls(await putPair('revoked', pair)) };
    },
  ],
  [
    'it is of another CA',
    { word: 'identity.unknown-ca', says: /does not know the CA of our client certificate/ },
    async ({ putPair }) => ({
      change: withTls(await putPair('rogue', await (await makeAuthority('rogue')).issueClient('pump-42'))),
    }),
  ],
  [
    'it has expired',
    { word: 'identity.expired', says: CLOCK },
    async ({ authority, putPair }) => ({
      change: withTls(await putPair('old', await authority.issueClient('pump-42', valid(-9, -1)))),
    }),
  ],
  [
    'it is not yet valid',
    { word: 'identity.not-yet-valid', says: CLOCK },
    async ({ authority, putPair }) => ({
      change: withTls(await putPair('early', await authority.issueClient('pump-42', valid(1, 9)))),
    }),
  ],
];

const OURS_TLS12 = OURS.map(
  ([name, expected, arrange]): Row => [
    name,
    expected,
    async (stage) => ({ ...(await arrange(stage)), ...(await tls12(stage)) }),
  ],
);

// Each test waits most of its time.
describe('identity', { concurrency: 8 }, () => {
  testRows("the broker's certificate is refused", THEIRS);
  testRows('our certificate is refused over TLS 1.3', OURS);
  testRows('our certificate is refused over TLS 1.2', OURS_TLS12);

  test('a certificate that is replaced on disk counts without a restart', async (t) => {
    const stage = await setFaultStage(t);
    const broker = await stage.mosquitto();
    const rogue = await stage.putPair('ours', await (await makeAuthority('rogue')).issueClient('pump-42'));
    const agent = await stage.agent(broker.port, withTls(rogue));
    const attempts = (): number => connectionsTo(broker);
    await showsFault(agent, { word: 'identity.unknown-ca', says: /does not know the CA/, attempts });
    await stage.putPair('ours', await stage.authority.issueClient('pump-42'));
    await agent.process.child.line(/broker connected/, DEADLINE_MS);
    await until(async () => (await agent.status())?.connected, 'the connection in status.json', DEADLINE_MS);
    const status = await agent.status();
    assert.equal(status?.connection.last_end?.word, 'identity.unknown-ca');
  });

  test('files that go bad while the agent runs are named, and mended without a restart', async (t) => {
    const stage = await setFaultStage(t);
    const broker = await stage.mosquitto();
    const agent = await stage.agent(broker.port);
    agent.process.start();
    await agent.process.child.line(/broker connected/, DEADLINE_MS);
    await chmod(stage.device.key, 0o644);
    await broker.restart('term');
    const told = await agent.process.child.line(/ word=identity\.files /, DEADLINE_MS);
    assert.match(told, /0644/);
    await chmod(stage.device.key, 0o600);
    const connected = (): number =>
      agent.process.child.lines.filter((line) => line.includes('broker connected')).length;
    await until(() => connected() === 2, 'the second connection', DEADLINE_MS);
  });

  test('a device that has worked starts with half of a renewal, sells, and connects when the files are whole', async (t) => {
    const stage = await setFaultStage(t);
    const broker = await stage.mosquitto();
    const agent = await stage.agent(broker.port);
    agent.process.start();
    await agent.process.child.line(/broker connected/, DEADLINE_MS);
    await agent.process.term();
    const sales: unknown[] = [];
    await startConsumer(t, {
      port: broker.port,
      root: 'fp/v1/pump-42',
      tls: { ca: stage.authority.ca, ...(await stage.authority.issueClient('collector')) },
      onEvent: (_verdict, event) => void (event?.stream === 'sale' && sales.push(event.source?.seq)),
    });
    const renewed = await stage.authority.issueClient('pump-42');
    await stage.put('device.key', renewed.key);
    agent.process.start();
    const told = await agent.process.child.line(/^error: /, DEADLINE_MS);
    assert.match(told, /the key of the certificate in .*device\.pem/);
    await agent.sell(1);
    await endShown(agent, 'identity.files');
    await stage.put('device.pem', renewed.cert);
    await until(() => sales.length > 0, 'the sale at the consumer', DEADLINE_MS);
    assert.deepEqual(sales, ['1']);
  });

  test('a key that another group may read ends the start with 77', async (t) => {
    if (process.getuid?.() !== 0) return t.skip('only root can give a file to a foreign group');
    const stage = await setFaultStage(t);
    await chown(stage.device.key, 0, 4242);
    await chmod(stage.device.key, 0o640);
    const agent = await stage.agent(1);
    agent.process.start();
    assert.equal((await agent.process.child.exited).code, 77);
    assert.match(agent.process.child.lastWords(), /0640: open to group 4242/);
  });

  test('a key that our own group may read is taken', async (t) => {
    const stage = await setFaultStage(t);
    await chmod(stage.device.key, 0o640);
    const broker = await stage.mosquitto();
    const agent = await stage.agent(broker.port);
    agent.process.start();
    await agent.process.child.line(/broker connected/, DEADLINE_MS);
  });

  test('a revocation list that is none ends the start with 78', async (t) => {
    const stage = await setFaultStage(t);
    for (const text of ['', '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n']) {
      const crl = await stage.put('crl.pem', text);
      const agent = await stage.agent(1, withTls({ crl }));
      agent.process.start();
      assert.equal((await agent.process.child.exited).code, 78);
      assert.match(agent.process.child.lastWords(), /revocation list .*crl\.pem: must be/);
    }
  });
});
