/**
 * TLS by a pre-shared key on a real Mosquitto, over TLS 1.3 and 1.2: who has the key is in under its identity, and neither a
 * wrong key nor a certificate takes its place.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod } from 'node:fs/promises';
import { describe, test, type TestContext } from 'node:test';
import type { Mosquitto } from '../../src/workbench/mosquitto.ts';
import { type Agent, DEADLINE_MS, type FaultStage, setFaultStage, showsFault } from './fault-stage.ts';

interface Scene {
  readonly stage: FaultStage;
  readonly broker: Mosquitto;
  readonly key: string;
  readonly agent: (psk: object) => Promise<Agent>;
  /** Path of a file with this key. */
  readonly keyFile: (key: string) => Promise<string>;
}

async function setScene(t: TestContext, maximum: 'TLSv1.3' | 'TLSv1.2' = 'TLSv1.3'): Promise<Scene> {
  const stage = await setFaultStage(t);
  const key = randomBytes(32).toString('hex');
  const keys = await stage.put('psk', `pump-42:${key}\n`);
  const openssl = `openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nMaxProtocol = ${maximum}\n`;
  const broker = await stage.mosquitto({
    plain: true,
    lines: ['psk_hint fieldpost', `psk_file ${keys}`, 'use_identity_as_username true'],
    env: { OPENSSL_CONF: await stage.put('openssl.cnf', openssl) },
  });
  return {
    stage,
    broker,
    key,
    agent: (psk) => stage.agent(broker.port, (given) => ({ ...given, tls: { psk } })),
    keyFile: (text) => stage.put('device.psk', `${text}\n`),
  };
}

describe('a pre-shared key', { concurrency: 4 }, () => {
  for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
    test(`lets the device in under its id, over ${version}`, async (t) => {
      const { broker, key, keyFile, agent: made } = await setScene(t, version);
      const agent = await made({ keyFile: await keyFile(key) });
      agent.process.start();
      await agent.process.child.line(/broker connected/, DEADLINE_MS);
      assert.ok(broker.log.some((line) => line.includes('as pump-42 ') && line.includes("u'pump-42'")));
      await agent.sell(1);
    });

    test(`that is wrong is named, over ${version}`, async (t) => {
      const { key, keyFile, agent: made } = await setScene(t, version);
      const agent = await made({ keyFile: await keyFile(key.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))) });
      await showsFault(agent, { word: 'identity.psk', says: /pre-shared key/ });
      assert.doesNotMatch(agent.process.child.lines.join('\n'), new RegExp(key.slice(4)));
    });

    test(`of an identity that the broker does not know is named, over ${version}`, async (t) => {
      const { key, keyFile, agent: made } = await setScene(t, version);
      const agent = await made({ identity: 'pump-43', keyFile: await keyFile(key) });
      // Mosquitto does not log a connection that it refuses at its first bytes, so the agent's own log is counted.
      await showsFault(agent, { word: 'identity.psk', says: /identity/ });
    });
  }

  test('is not made up for by a certificate, whoever signed it', async (t) => {
    const stage = await setFaultStage(t);
    const { port } = await stage.mosquitto();
    const keyFile = await stage.put('device.psk', randomBytes(32).toString('hex'));
    // As if Node trusted the authority of its own accord.
    const env = { NODE_EXTRA_CA_CERTS: stage.ca, NODE_TLS_REJECT_UNAUTHORIZED: '0' };
    const agent = await stage.agent(port, (given) => ({ ...given, tls: { psk: { keyFile } } }), env);
    await showsFault(agent, { word: 'identity.psk', says: /pre-shared key/ });
  });

  test('that others can read, or that is none, ends the start', async (t) => {
    const { key, keyFile, agent: made } = await setScene(t);
    const rows = [
      [key, 0o644, 77, /pre-shared key .*0644/],
      ['abc', 0o600, 78, /32 to 512 hexadecimal digits, got 3 of them/],
      ['not hexadecimal at all, as anyone sees', 0o600, 78, /got other characters/],
    ] as const;
    for (const [text, mode, status, told] of rows) {
      const file = await keyFile(text);
      await chmod(file, mode);
      const agent = await made({ keyFile: file });
      agent.process.start();
      assert.equal((await agent.process.child.exited).code, status);
      assert.match(agent.process.child.lastWords(), told);
      await chmod(file, 0o600);
    }
  });
});
