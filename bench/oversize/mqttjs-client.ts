/** MQTT.js as it comes, which announces the same maximum packet size as the agent: what `oversize` compares with. */
import { connect } from 'mqtt';

const { port } = JSON.parse(process.argv[2] ?? '{}') as { readonly port: number };
const client = connect(`mqtt://127.0.0.1:${port}`, {
  protocolVersion: 5,
  clientId: 'plain',
  clean: true,
  keepalive: 5,
  properties: { maximumPacketSize: 256 * 1024 },
});
client.on('error', () => undefined);
