/** `info.get`, `metrics.get`, `certificate.status`: what the device says of itself when it is asked. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { certificateStatusCommand } from '../../src/command/certificate-status.ts';
import { infoGetCommand } from '../../src/command/info-get.ts';
import { metricsGetCommand } from '../../src/command/metrics-get.ts';
import { certificateTexts } from '../../src/platform/certificate-texts.ts';
import { lateMs, processFigures } from '../../src/platform/process-figures.ts';
import type { CertificateText, HostReading, ProcessFigures } from '../../src/ports.ts';
import { makeDevelopmentCertificates } from '../../src/workbench/certificates.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { HandClock } from '../sensor-rig.ts';
import { asker } from './asker.ts';

const OWN: ProcessFigures = {
  residentBytes: 5,
  heapBytes: 4,
  uptimeMs: 3,
  loopDelayMeanMs: 0.2,
  loopDelayMaxMs: 1,
};
const OWN_SAID = { resident_bytes: 5, heap_bytes: 4, uptime_ms: 3, loop_delay_mean_ms: 0.2, loop_delay_max_ms: 1 };
const LOAD: HostReading = { name: 'cpu_load', value: 0.1, unit: '/' };

test('info.get answers with the birth, and takes no arguments', async () => {
  const ask = asker([infoGetCommand(() => ({ device: 'pump-42' }))]);
  assert.deepEqual(await ask('info.get'), { v: 1, device: 'pump-42' });
  assert.match(String(await ask('info.get', { all: true })), /args\/all: must be left out/);
});

test('metrics.get answers with the figures of the machine and of the process', async () => {
  const host = { read: () => Promise.resolve([LOAD, { ...LOAD, name: 'cpu_waiting', unit: undefined }]) };
  const ask = asker([metricsGetCommand({ clock: new HandClock(), host, processFigures: () => Promise.resolve(OWN) })]);
  assert.deepEqual(await ask('metrics.get'), {
    host: [
      ['cpu_load', 0.1, '/'],
      ['cpu_waiting', 0.1, null],
    ],
    process: OWN_SAID,
  });
});

test('metrics.get answers in time where a reading hangs, and begins no second one', async () => {
  const clock = new HandClock();
  let readings = 0;
  const host = {
    read: () => {
      readings += 1;
      return new Promise<never>(() => undefined);
    },
  };
  const ask = asker([metricsGetCommand({ clock, host, processFigures: () => Promise.reject(new Error('no /proc')) })]);
  for (let time = 0; time < 3; time += 1) {
    const answer = ask('metrics.get');
    await new Promise((resolve) => setImmediate(resolve));
    clock.pass(5000);
    assert.deepEqual(await answer, {
      host: [],
      host_why: 'not read within 5000 ms',
      process: {},
      process_why: 'no /proc',
    });
  }
  assert.equal(readings, 1);
  assert.equal(clock.timers, 0);
});

test('the figures of this process are there', async () => {
  const figures = await processFigures();
  assert.ok(figures.residentBytes > figures.heapBytes && figures.heapBytes > 1e6);
  assert.ok(figures.loopDelayMaxMs >= figures.loopDelayMeanMs && figures.loopDelayMeanMs >= 0);
});

test('certificate.status says whose certificates these are and until when, as openssl would, and nothing of the key', async (t) => {
  const directory = await temporaryDirectory(t);
  const made = await makeDevelopmentCertificates({ device: 'pump-42', others: ['other'] });
  const put = async (name: string, text: string): Promise<string> => {
    await writeFile(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const files = {
    ca: await put('ca.pem', made.ca),
    cert: await put('client.pem', made.client.cert + made.ca),
    key: await put('client.key', made.client.key),
  };
  const clock = new HandClock();
  clock.wallOffsetMs = Date.now();
  const ask = asker([certificateStatusCommand(clock, () => certificateTexts(files))]);
  const answer = (await ask('certificate.status')) as { certificates: Record<string, unknown>[]; more: number };
  const own = new X509Certificate(made.client.cert);
  assert.deepEqual(
    answer.certificates.map(({ role, subject }) => [role, subject]),
    [
      ['device', 'CN=pump-42'],
      ['chain', new X509Certificate(made.ca).subject.replaceAll('\n', ', ')],
      ['authority', new X509Certificate(made.ca).subject.replaceAll('\n', ', ')],
    ],
  );
  const [first] = answer.certificates;
  assert.equal(first?.['sha256'], own.fingerprint256);
  assert.equal(first?.['issuer'], answer.certificates[2]?.['subject']);
  assert.equal(first?.['not_after'], new Date(own.validTo).toISOString());
  const days = (Date.parse(own.validTo) - Date.now()) / 86_400_000;
  assert.ok(Math.abs(Number(first?.['days']) - days) <= 1.01);
  assert.ok(!JSON.stringify(answer).includes('PRIVATE'));
  await writeFile(files.cert, 'none');
  assert.match(String(await ask('certificate.status')), /client.pem: must be certificates in PEM .*, got none/);
});

test('a large bundle of authorities is cut off, and says so', async () => {
  const text: CertificateText = {
    role: 'authority',
    subject: 'CN=a',
    issuer: 'CN=a',
    notBefore: '2026-01-01T00:00:00.000Z',
    notAfter: '2026-11-22T00:00:00.000Z',
    fingerprint: '00',
  };
  const ask = asker([certificateStatusCommand(new HandClock(), () => Array.from({ length: 150 }, () => text))]);
  const { certificates, more } = (await ask('certificate.status')) as {
    certificates: { days: number }[];
    more: number;
  };
  assert.deepEqual([certificates.length, more, certificates[0]?.days], [32, 118, -2]);
});

test('how late timers were is said in hundredths of a millisecond, and in no more digits', () => {
  const between = [20_390_000, 20_394_999, 20_000_000, 19_000_000, 1_234_567_890];
  assert.deepEqual(between.map(lateMs), [0.39, 0.39, 0, 0, 1214.57]);
  const long = Array.from({ length: 5000 }, (_, hundredths) => lateMs(20_000_000 + hundredths * 10_000));
  assert.deepEqual(
    long.filter((late) => String(late).length > 5),
    [],
  );
});
