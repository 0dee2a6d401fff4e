/** Against Modbus implementations of other people: pymodbus as the server, mbpoll (libmodbus) as the client. */
import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import type { ModbusRead } from '../../src/serial/modbus-adu.ts';
import { modbusServer } from '../../src/workbench/modbus-server.ts';
import { ptyFor, ttySpec } from '../serial-rig.ts';
import { BRIEF, busFor, expectedHex, hexOf, PATIENT, seatOn, unitOf, unitsOf, valueOf } from './modbus-rig.ts';

/** Debian's own: a package of Debian is not seen by another python3. */
const PYTHON = '/usr/bin/python3';
/** Registers and coils of pymodbus's units. */
const SIZE = 2100;
/** Time for a program of another language to start, milliseconds. */
const START_MS = 30_000;

const SERVER = `
import asyncio, json, sys
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server.async_io import ModbusSerialServer
from pymodbus.transaction import ModbusRtuFramer

def unit(tables):
    co, di, hr, ir = [ModbusSequentialDataBlock(0, values) for values in tables]
    return ModbusSlaveContext(co=co, di=di, hr=hr, ir=ir, zero_mode=True)

async def main():
    units = {int(name): unit(tables) for name, tables in json.load(sys.stdin).items()}
    context = ModbusServerContext(slaves=units, single=False)
    server = ModbusSerialServer(context, ModbusRtuFramer, port=sys.argv[1], baudrate=115200, ignore_missing_slaves=True)
    await server.start()
    print("ready", flush=True)
    await server.serve_forever()

asyncio.run(main())
`;

const canRun = (program: string, args: readonly string[]): boolean =>
  spawnSync(program, args, { timeout: START_MS }).status === 0;
const noPymodbus = canRun(PYTHON, ['-c', 'import serial_asyncio, pymodbus.server.async_io'])
  ? false
  : 'needs the Debian packages python3-pymodbus and python3-serial-asyncio';
const noMbpoll = canRun('mbpoll', ['-V']) ? false : 'needs the Debian package mbpoll';

/** A pty on whose other end pymodbus serves these units; the path that the bus opens. */
async function pymodbus(t: TestContext, ...units: readonly number[]): Promise<string> {
  const [ours, theirs] = [await ptyFor(t), await ptyFor(t)];
  const ignore = (): void => undefined;
  ours.onBytes((bytes) => void theirs.write(bytes).catch(ignore));
  theirs.onBytes((bytes) => void ours.write(bytes).catch(ignore));
  const child = spawn(PYTHON, ['-c', SERVER, theirs.path], { stdio: ['pipe', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let errors = '';
  child.stderr.on('data', (bytes: Buffer) => {
    errors += bytes.toString();
  });
  const tables = (unit: number): number[][] =>
    [1, 2, 3, 4].map((fc) => Array.from({ length: SIZE }, (_, at) => valueOf(unit, fc, at) & (fc <= 2 ? 1 : 0xffff)));
  child.stdin.end(JSON.stringify(Object.fromEntries(units.map((unit) => [unit, tables(unit)]))));
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`pymodbus did not start in ${START_MS} ms: ${errors}`)), START_MS);
    const settle = (run: () => void) => (): void => {
      clearTimeout(late);
      run();
    };
    createInterface({ input: child.stdout }).once('line', settle(resolve));
    child.once(
      'close',
      settle(() => reject(new Error(`pymodbus ended: ${errors}`))),
    );
  });
  return ours.path;
}

test('pymodbus gives what it holds: four functions, three units, up to the largest reads', {
  skip: noPymodbus,
}, async (t) => {
  const bus = busFor(ttySpec(await pymodbus(t, 1, 17, 247)));
  const seat = await seatOn(t, bus);
  for (const unit of [1, 17, 247]) {
    for (const fc of [1, 2, 3, 4] as const) {
      for (const count of [1, 7, 8, 9, 100, fc <= 2 ? 2000 : 125]) {
        const read: ModbusRead = { unit, fc, at: 23, count };
        assert.equal(hexOf(await seat.read(read, PATIENT)), expectedHex(read), JSON.stringify(read));
      }
    }
  }
  assert.equal(seat.counters.frames, 72);
  assert.equal(seat.counters.discardedBytes, 0);
});

test('pymodbus refuses an address that it does not have, and says nothing for a unit that it does not have', {
  skip: noPymodbus,
}, async (t) => {
  const seat = await seatOn(t, busFor(ttySpec(await pymodbus(t, 1))));
  const refused = await seat.read({ unit: 1, fc: 3, at: SIZE, count: 2 }, PATIENT);
  assert.deepEqual(refused, { kind: 'exception', code: 2, why: 'illegal data address' });
  assert.equal(hexOf(await seat.read({ unit: 2, fc: 3, at: 0, count: 2 }, BRIEF)), 'silent');
  const read: ModbusRead = { unit: 1, fc: 4, at: 0, count: 2 };
  assert.equal(hexOf(await seat.read(read, PATIENT)), expectedHex(read));
});

test('two sensors share a bus with pymodbus, and neither gets what is the other one’s', {
  skip: noPymodbus,
}, async (t) => {
  const bus = busFor(ttySpec(await pymodbus(t, 1, 2)));
  const seats = [await seatOn(t, bus), await seatOn(t, bus)];
  await Promise.all(
    seats.map(async (seat, place) => {
      for (let at = 0; at < 50; at += 1) {
        const read: ModbusRead = { unit: place + 1, fc: 3, at, count: 10 };
        assert.equal(hexOf(await seat.read(read, PATIENT)), expectedHex(read));
      }
    }),
  );
});

/** What mbpoll prints of values: `[10]: 	1234`, and `(-5)` after what it takes for a negative number. */
async function mbpoll(
  path: string,
  unit: number,
  type: number,
): Promise<{ readonly values: number[]; readonly text: string }> {
  const args = ['-m', 'rtu', '-b', '115200', '-P', 'none', '-0', '-1', '-o', '10', '-a', String(unit)];
  const text = await new Promise<string>((resolve) => {
    execFile(
      'mbpoll',
      [...args, '-t', String(type), '-r', '30', '-c', '20', path],
      { timeout: START_MS },
      (_, out, err) => resolve(out + err),
    );
  });
  return { values: [...text.matchAll(/^\[\d+\]:\s+(\d+)/gm)].map((match) => Number(match[1])), text };
}

test('mbpoll reads the four tables of the virtual server, and is refused where there is nothing', {
  skip: noMbpoll,
}, async (t) => {
  const pty = await ptyFor(t);
  const server = modbusServer(new Map([...unitsOf(1, 17), [3, unitOf(3, 40)]]));
  pty.onBytes((bytes) => void pty.write(server(bytes)).catch(() => undefined));
  // Its types are 0 coils, 1 discrete inputs, 3 input registers, 4 holding registers.
  for (const [type, fc] of [
    [0, 1],
    [1, 2],
    [3, 4],
    [4, 3],
  ] as const) {
    for (const unit of [1, 17]) {
      const { values, text } = await mbpoll(pty.path, unit, type);
      const expected = Array.from({ length: 20 }, (_, place) => valueOf(unit, fc, 30 + place) & (fc <= 2 ? 1 : 0xffff));
      assert.deepEqual(values, expected, text);
    }
  }
  const refused = await mbpoll(pty.path, 3, 4);
  assert.match(refused.text, /Illegal data address/i);
});
