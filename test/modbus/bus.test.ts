/** A Modbus bus over real lines: ptys and TCP. What needs exact times is in faults.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/platform/clock.ts';
import type { ModbusRead } from '../../src/serial/modbus-adu.ts';
import { encodeRead } from '../../src/serial/modbus-adu.ts';
import { type ModbusBus, modbusBuses } from '../../src/serial/modbus-bus.ts';
import { owedAnswers } from '../../src/serial/owed-answers.ts';
import { answerModbus, modbusServer } from '../../src/workbench/modbus-server.ts';
import { HandClock, HandLine } from '../sensor-rig.ts';
import { canHangUp, keptLog, tcpFarEnd, until } from '../serial-rig.ts';
import { BRIEF, busFor, expectedHex, hexOf, PATIENT, scriptedPty, seatOn, unitsOf } from './modbus-rig.ts';

const UNITS = unitsOf(1, 2, 3);
/** Time for an answer that comes at once, or is given up soon. */
const SOON = { timeoutMs: 500, retries: 0 };
/** Same unit, function and size: their answers differ only in what they hold. */
const A: ModbusRead = { unit: 1, fc: 3, at: 100, count: 4 };
const B: ModbusRead = { unit: 1, fc: 3, at: 200, count: 4 };
const OTHER: ModbusRead = { unit: 2, fc: 3, at: 100, count: 4 };

const answerTo = (read: ModbusRead): Buffer => answerModbus(UNITS, encodeRead(read)) ?? Buffer.alloc(0);
const answer = (request: Buffer): Buffer | undefined => answerModbus(UNITS, request);

test('sensors of several units read all four functions in turns', async (t) => {
  const far = await scriptedPty(t, answer);
  const bus = busFor(far.spec);
  const seats = [await seatOn(t, bus), await seatOn(t, bus), await seatOn(t, bus)];
  await Promise.all(
    seats.map(async (seat, place) => {
      for (const fc of [1, 2, 3, 4] as const) {
        const read = { unit: place + 1, fc, at: 17, count: 100 };
        assert.equal(hexOf(await seat.read(read, PATIENT)), expectedHex(read));
      }
    }),
  );
  const units = far.requests.map((request) => request[0]);
  assert.deepEqual(units, [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]);
  assert.deepEqual(
    seats.map((seat) => seat.counters.frames),
    [4, 4, 4],
  );
});

test('a raw TCP serial server carries a bus as well', async (t) => {
  const far = await tcpFarEnd(t);
  const seat = await seatOn(t, busFor(far.spec));
  const reading = seat.read(A, PATIENT);
  await until(() => far.received().length === 8, 'the request');
  for (const chunk of modbusServer(UNITS)(far.received())) await far.send(Buffer.from([chunk]));
  assert.equal(hexOf(await reading), expectedHex(A));
});

test('a late answer before the next request is discarded, counted, and does not answer it', async (t) => {
  const far = await scriptedPty(t, (request, place) => (place === 0 ? undefined : answer(request)));
  const seat = await seatOn(t, busFor(far.spec));
  assert.equal(hexOf(await seat.read(A, BRIEF)), 'silent');
  await far.send(answerTo(A));
  await until(() => seat.counters.discardedBytes > 0, 'the late answer');
  assert.equal(hexOf(await seat.read(B, PATIENT)), expectedHex(B));
  const { timeouts, discardedBytes, frames } = seat.counters;
  assert.deepEqual(
    { timeouts, discardedBytes, frames },
    { timeouts: 1, discardedBytes: answerTo(A).length, frames: 1 },
  );
});

test('an adapter that echoes is understood, and its echo is no answer of a dead unit', async (t) => {
  const far = await scriptedPty(t, (request) => Buffer.concat([request, answer(request) ?? Buffer.alloc(0)]));
  const seat = await seatOn(t, busFor(far.spec));
  assert.equal(hexOf(await seat.read(A, PATIENT)), expectedHex(A));
  assert.equal(hexOf(await seat.read({ unit: 9, fc: 1, at: 0x100, count: 8 }, BRIEF)), 'silent');
  assert.equal(seat.counters.discardedBytes, 0);
});

test('an unplug in the middle of a read ends it, and the bus reads again after the replug', {
  skip: !canHangUp,
}, async (t) => {
  const far = await scriptedPty(t, (request, place) => (place === 0 ? answerTo(A).subarray(0, 6) : answer(request)));
  const bus = busFor(far.spec);
  const seat = await seatOn(t, bus);
  const reading = seat.read(A, PATIENT);
  await until(() => far.requests.length === 1, 'the request');
  await far.hangUp();
  assert.equal(hexOf(await reading), 'down');
  await until(() => seat.heard.length >= 3, 'the bus to come up again');
  assert.deepEqual(seat.heard.slice(0, 3), ['up', 'down', 'up']);
  // Another unit: the first one owes an answer.
  assert.equal(hexOf(await seat.read(OTHER, PATIENT)), expectedHex(OTHER));
  assert.equal(seat.counters.reopens, 1);
});

test('the first start opens the line, the last stop closes it, and a read that waits ends', async (t) => {
  const far = await scriptedPty(t, () => undefined);
  const bus = busFor(far.spec);
  const [first, second] = [await seatOn(t, bus), await seatOn(t, bus)];
  const readings = [first.read(A, PATIENT), second.read(B, PATIENT)];
  await until(() => far.requests.length === 1, 'the first request');
  await second.stop();
  assert.equal(hexOf(await (readings[1] ?? assert.fail())), 'down');
  assert.equal(bus.state.kind, 'up');
  assert.equal(hexOf(await second.read(B, PATIENT)), 'down');
  await first.stop();
  assert.equal(hexOf(await (readings[0] ?? assert.fail())), 'down');
  assert.equal(bus.state.kind, 'closed');
});

test('a bus that is made anew asks no unit that still owes an answer to the one before', async (t) => {
  const far = await scriptedPty(t, (request, place) => (place === 0 ? undefined : answer(request)));
  const owed = owedAnswers(Number.NEGATIVE_INFINITY);
  const before = await seatOn(t, busFor(far.spec, owed));
  const cut = before.read(A, SOON);
  await until(() => far.requests.length === 1, 'the request of the one before');
  await before.stop();
  await cut;
  const seat = await seatOn(t, busFor(far.spec, owed));
  const reading = seat.read(B, SOON);
  await far.send(answerTo(A));
  assert.equal(hexOf(await reading), expectedHex(B));
});

test('a process that has just begun asks nothing while an answer to another process may come', async (t) => {
  const far = await scriptedPty(t, answer);
  const seat = await seatOn(t, busFor(far.spec, owedAnswers(systemClock.monotonicMs())));
  const reading = seat.read(B, SOON);
  await far.send(answerTo(A));
  assert.equal(hexOf(await reading), expectedHex(B));
});

test('sensors of the same port get the same bus', () => {
  const clock = new HandClock();
  const busOf = modbusBuses({
    createLine: new HandLine().create,
    owed: owedAnswers(0),
    clock,
    log: keptLog(),
  });
  const path = (baudRate: number) =>
    ({ kind: 'tty', path: '/dev/ttyUSB0', baudRate, dataBits: 8, parity: 'none', stopBits: 1 }) as const;
  const bus: ModbusBus = busOf(path(9600));
  assert.equal(busOf(path(9600)), bus);
  assert.notEqual(busOf({ kind: 'tcp', host: 'a', port: 1 }), bus);
});
