/** `fieldpost doctor` on URLs that lead to a port of another kind, and on a broker that wants a certificate of a device without. */
import { type AddressInfo, createServer } from 'node:net';
import { test, type TestContext } from 'node:test';
import { startMosquitto } from '../rig/mosquitto.ts';
import { doctor, failsOnlyIn, setDevice, shows } from './rig.ts';

const BROKER = /^broker/;

test('a plain URL for a port with TLS is told to be mqtts, whether the port is cut or an alert comes', async (t) => {
  const device = await setDevice(t);
  const { port } = await device.mosquitto();
  const urls = [`mqtt://127.0.0.1:${port}`, `mqtt://127.0.0.1:${await startAlerting(t)}`];
  const seen = await doctor(t, await device.configure(port, { broker: { urls } }));
  for (const url of urls) {
    shows(seen, { part: new RegExp(`${url}$`), name: /^TLS$/, state: 'skipped', found: /plain/ });
    shows(seen, {
      part: new RegExp(`${url}$`),
      name: /^CONNECT$/,
      state: 'failed',
      found: /^network\.lost: .*port with TLS|^broker\.closed: .*port with TLS|^broker\.protocol: /,
      todo: /may speak TLS: mqtts:\/\/ in broker\.urls/,
    });
  }
  failsOnlyIn(seen, BROKER);
});

test('a secure WebSocket for a port of MQTT alone is told to be mqtts', async (t) => {
  const device = await setDevice(t);
  const { port } = await device.mosquitto();
  const seen = await doctor(t, await device.configure(port, { broker: { urls: [`wss://127.0.0.1:${port}/mqtt`] } }));
  shows(seen, { part: BROKER, name: /^TLS$/, state: 'ok', found: /^TLSv1/ });
  shows(seen, {
    part: BROKER,
    name: /^CONNECT$/,
    state: 'failed',
    found: /^network\.lost: .*a port without WebSocket/,
    todo: /WebSocket port .*mqtts:\/\//,
  });
});

test('a URL with TLS for a plain port is told so', async (t) => {
  const device = await setDevice(t);
  const { port } = await startMosquitto(t);
  const seen = await doctor(t, await device.configure(port));
  shows(seen, {
    part: BROKER,
    name: /^TLS$/,
    state: 'failed',
    found: /^network\.lost: .*a port without TLS/,
    todo: /TLS port .*8883/,
  });
});

test('a device that names no certificate, on a broker that wants one, is told to name it', async (t) => {
  const device = await setDevice(t);
  const { port } = await device.mosquitto();
  const { ca } = device.tls;
  const config = await device.configure(port, { broker: { tls: { ca } } });
  const seen = await doctor(t, config);
  shows(seen, {
    part: BROKER,
    name: /^CONNECT$/,
    state: 'failed',
    found: /^identity\.missing: /,
    todo: /^set broker\.tls\.cert and broker\.tls\.key/,
  });
});

/** Answers what is no TLS with an alert (fatal, decode error), as many a TLS library does; Mosquitto cuts the connection. */
async function startAlerting(t: TestContext): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(Buffer.from('15030100020232', 'hex')));
  });
  t.after(() => server.close());
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return (server.address() as AddressInfo).port;
}
