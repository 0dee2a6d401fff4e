/**
 * The agents that one would write first, as controls: run under the same faults they must lose or double sales, else the
 * crash matrix is blind. Each speaks just enough of fieldpost's device.json, line and event to take the agent's place.
 *
 * - `memory`: acknowledges at once, MQTT.js keeps what is on its way in memory. Loses with every kill.
 * - `renumber`: an fsynced file of what is unsent, sent again after a restart, numbered anew by each process; what was sent
 *   is noted every quarter of a second. Doubles what it had sent and not yet noted when it is killed.
 */
import { appendFileSync, closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { connect as connectMqtt, type MqttClient } from 'mqtt';
import { amountText, type Sale, volumeText } from '../../src/workbench/fuel-pump.ts';

interface DeviceFile {
  readonly device: { readonly id: string };
  readonly broker: { readonly urls: readonly [string]; readonly protocol: 4 | 5 };
  readonly ledger: { readonly dir: string };
  readonly sensors: readonly [{ readonly port: { readonly tcp: string } }];
}

type Kind = 'memory' | 'renumber';

const NOTE_MS = 250;

class NaiveAgent {
  readonly #kind: Kind;
  readonly #file: DeviceFile;
  readonly #client: MqttClient;
  readonly #epoch = `N${process.pid}`;
  readonly #queue: string;
  readonly #done: string;
  #unnoted = '';
  #seq = 0;

  constructor(kind: Kind, file: DeviceFile) {
    this.#kind = kind;
    this.#file = file;
    this.#queue = join(file.ledger.dir, 'queue');
    this.#done = join(file.ledger.dir, 'done');
    const { urls, protocol } = file.broker;
    this.#client = connectMqtt(urls[0], { protocolVersion: protocol, clientId: file.device.id, reconnectPeriod: 100 });
    this.#client.on('error', () => undefined);
  }

  start(): void {
    if (this.#kind === 'renumber') this.#sendLeft();
    setInterval(() => this.#noteDone(), NOTE_MS);
    this.#openLine();
  }

  /** What the last life had queued and did not see through. */
  #sendLeft(): void {
    const lines = (path: string): string[] => (existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []);
    const done = new Set(lines(this.#done));
    for (const line of lines(this.#queue)) {
      if (line !== '' && !done.has(String(parseSale(line)?.seq))) this.#publish(line);
    }
  }

  #openLine(): void {
    const [host, port] = this.#file.sensors[0].port.tcp.split(':');
    const socket = connectTcp({ host: host ?? '', port: Number(port) });
    let rest = '';
    socket.on('error', () => undefined);
    socket.on('close', () => setTimeout(() => this.#openLine(), 100));
    const seen = new Set<number>();
    socket.on('data', (bytes) => {
      const lines = (rest + bytes.toString('latin1')).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const sale = parseSale(line);
        if (sale === undefined) continue;
        if (!seen.has(sale.seq)) this.#take(line);
        seen.add(sale.seq);
        socket.write(`ACK ${sale.boot} ${sale.seq}\n`);
      }
    });
  }

  #take(line: string): void {
    if (this.#kind === 'renumber') {
      const queue = openSync(this.#queue, 'a');
      writeSync(queue, `${line}\n`);
      fsyncSync(queue);
      closeSync(queue);
    }
    this.#publish(line);
  }

  #publish(line: string): void {
    const sale = parseSale(line);
    if (sale === undefined) return;
    this.#seq += 1;
    const { id } = this.#file.device;
    const event = {
      v: 1,
      device: id,
      epoch: this.#epoch,
      seq: this.#seq,
      sensor: 'pump',
      stream: 'sale',
      type: 'delivery',
      data: {
        volume: { value: volumeText(sale), unit: 'l', quality: 'good' },
        amount: { value: amountText(sale), unit: 'EUR', quality: 'good' },
      },
      source: { epoch: sale.boot, seq: String(sale.seq) },
    };
    this.#client.publish(`fp/v1/${id}/up/event/sale`, JSON.stringify(event), { qos: 2 }, (error) => {
      if (!error && this.#kind === 'renumber') this.#unnoted += `${sale.seq}\n`;
    });
  }

  #noteDone(): void {
    if (this.#unnoted !== '') appendFileSync(this.#done, this.#unnoted);
    this.#unnoted = '';
  }
}

function parseSale(line: string): Sale | undefined {
  try {
    const read = JSON.parse(line) as Sale & { readonly k: string };
    return read.k === 'sale' ? read : undefined;
  } catch {
    return undefined;
  }
}

// node --import tsx naive-agent.ts KIND run --config FILE
const [kind, , , config] = process.argv.slice(2);
if ((kind !== 'memory' && kind !== 'renumber') || config === undefined)
  throw new Error('usage: KIND run --config FILE');
new NaiveAgent(kind, JSON.parse(readFileSync(config, 'utf8')) as DeviceFile).start();
