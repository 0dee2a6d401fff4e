/**
 * What others would put in the agent's place, for the footprint benchmark: a client of Paho's in Python, a Mosquitto as a
 * bridge, and Node-RED. Each does less: none keeps events on disk before they are acknowledged. They are told of the same
 * broker over mutual TLS, say `online` once they are connected, and bring one sample a second.
 */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { MqttClient } from 'mqtt';
import { findMosquitto, freePort } from '../../src/workbench/mosquitto.ts';
import type { Undo } from '../../src/workbench/undo.ts';
import { nodeRedOf } from './node-red.ts';
import type { Stage } from './stage.ts';

/** Debian's packages belong to Debian's Python. */
const PYTHON = '/usr/bin/python3';
const SCRIPT = join(import.meta.dirname, 'paho_meter.py');

export interface PeerStart {
  readonly command: string;
  readonly args: readonly string[];
  /** What fed it ends. */
  readonly done?: () => Promise<void>;
}

export interface Peer {
  readonly name: string;
  /** `name` is new each time: its folder. */
  readonly prepare: (stage: Stage, name: string, undo: Undo) => Promise<PeerStart>;
}

/** Those that can be had here. Node-RED lies where `nodeRed` says. */
export function peers(nodeRed: string | undefined): Peer[] {
  return [
    ...(findMosquitto() === undefined ? [] : [{ name: 'mosquitto bridge', prepare: bridge }]),
    ...(existsSync(PYTHON) ? [{ name: 'paho python', prepare: pahoPython }] : []),
    ...(nodeRed === undefined ? [] : [{ name: 'node-red', prepare: nodeRedOf(nodeRed) }]),
  ];
}

async function pahoPython(stage: Stage): Promise<PeerStart> {
  const { device, root, port, tls, tty } = stage;
  const path = process.env['PYTHONPATH'];
  const environment = path === undefined ? [] : [`PYTHONPATH=${path}`];
  const given = JSON.stringify({ device, root, port, path: tty, ...tls });
  return { command: 'env', args: ['-i', ...environment, PYTHON, SCRIPT, given] };
}

/** Who reads the meter and hands its samples to the bridge is not counted: here it is this process. */
async function bridge(stage: Stage, name: string, undo: Undo): Promise<PeerStart> {
  const folder = await stage.folder(name);
  const { device, root, tls } = stage;
  const local = await freePort();
  const lines = [
    `listener ${local} 127.0.0.1`,
    'allow_anonymous true',
    ...(process.getuid?.() === 0 ? ['user root'] : []),
    'persistence true',
    `persistence_location ${folder}/`,
    'connection up',
    `address 127.0.0.1:${stage.port}`,
    `topic ${root}/up/# out 1`,
    `remote_clientid ${device}`,
    'cleansession false',
    'notifications false',
    'restart_timeout 1',
    `bridge_cafile ${tls.ca}`,
    `bridge_certfile ${tls.cert}`,
    `bridge_keyfile ${tls.key}`,
  ];
  const file = join(folder, 'mosquitto.conf');
  await writeFile(file, `${lines.join('\n')}\n`);
  const feeder = new MqttClient(() => connectTcp({ port: local, host: '127.0.0.1' }), {
    clientId: 'feeder',
    reconnectPeriod: 5,
    connectTimeout: 2000,
  });
  feeder.on('error', () => undefined);
  feeder.on('connect', () => {
    feeder.publish(`${root}/up/status`, '{"state":"online"}', { qos: 1, retain: true });
  });
  const feeding = setInterval(() => {
    if (feeder.connected) feeder.publish(`${root}/up/telemetry/pump`, '{"readings":[["temp",20.5,"Cel",0]]}');
  }, 1000);
  const done = async (): Promise<void> => {
    clearInterval(feeding);
    await feeder.endAsync(true);
  };
  undo.add(done);
  return { command: findMosquitto() ?? 'mosquitto', args: ['-c', file], done };
}
