/**
 * Node-RED as its users install it, by npm, in a folder of its own: it is no dependency of ours. Its flow is a serial line
 * into a topic, as its editor would write it; the editor is left on, as it comes.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { freePort } from '../../src/workbench/mosquitto.ts';
import type { PeerStart } from './peers.ts';
import type { Stage } from './stage.ts';

const PACKAGES = ['node-red@4', 'node-red-node-serialport@2'];
const DEADLINE_MS = 600_000;
const RED = 'node_modules/node-red/red.js';

/** Unless it is there already. Resolves with the folder that holds its node_modules. */
export async function installNodeRed(directory: string): Promise<string> {
  const home = resolve(directory);
  if (existsSync(join(home, RED))) return home;
  await mkdir(home, { recursive: true });
  const args = ['install', '--prefix', home, '--no-audit', '--no-fund', '--loglevel=error', ...PACKAGES];
  const done = spawnSync('npm', args, { cwd: home, stdio: ['ignore', 2, 2], timeout: DEADLINE_MS });
  if (done.status !== 0) throw new Error(`npm could not install ${PACKAGES.join(' and ')}: status ${done.status}`);
  return home;
}

/** How it is started; its files of each start are in a folder of the stage. */
export function nodeRedOf(home: string): (stage: Stage, name: string) => Promise<PeerStart> {
  return async (stage, name) => {
    const folder = await stage.folder(name);
    await writeFile(join(folder, 'flows.json'), JSON.stringify(flowOf(stage)));
    const settings = {
      flowFile: 'flows.json',
      uiHost: '127.0.0.1',
      uiPort: await freePort(),
      userDir: folder,
      nodesDir: [join(home, 'node_modules/node-red-node-serialport')],
    };
    const file = join(folder, 'settings.js');
    await writeFile(file, `module.exports = ${JSON.stringify(settings)};`);
    const environment = [`PATH=${process.env['PATH'] ?? '/usr/bin:/bin'}`, `HOME=${folder}`];
    const args = [process.execPath, join(home, RED), '--userDir', folder, '--settings', file];
    return { command: 'env', args: ['-i', ...environment, ...args] };
  };
}

function flowOf({ device, root, tls, port, tty }: Stage): object[] {
  const status = `${root}/up/status`;
  return [
    { id: 'tab', type: 'tab', label: 'meter' },
    { id: 'tls', type: 'tls-config', ...tls, verifyservercert: true, servername: 'localhost' },
    {
      id: 'broker',
      type: 'mqtt-broker',
      broker: '127.0.0.1',
      port: String(port),
      tls: 'tls',
      usetls: true,
      clientid: device,
      autoConnect: true,
      protocolVersion: '4',
      keepalive: '30',
      cleansession: true,
      birthTopic: status,
      birthQos: '1',
      birthRetain: 'true',
      birthPayload: '{"state":"online"}',
      willTopic: status,
      willQos: '1',
      willRetain: 'true',
      willPayload: '{"state":"offline"}',
    },
    {
      id: 'line',
      type: 'serial-port',
      serialport: tty,
      serialbaud: '115200',
      databits: '8',
      parity: 'none',
      stopbits: '1',
      newline: '\\n',
      bin: 'false',
      out: 'char',
    },
    { id: 'in', z: 'tab', type: 'serial in', serial: 'line', wires: [['out']] },
    {
      id: 'out',
      z: 'tab',
      type: 'mqtt out',
      topic: `${root}/up/telemetry/pump`,
      qos: '0',
      broker: 'broker',
      wires: [],
    },
  ];
}
