/** What a bus does with answers that are late, wrong, cut, doubled or missing, to the millisecond of a simulated clock. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeRead, type ModbusRead } from '../../src/serial/modbus-adu.ts';
import type { ModbusOutcome, ModbusSeat, ReadOptions } from '../../src/serial/modbus-bus.ts';
import { answerModbus } from '../../src/workbench/modbus-server.ts';
import { expectedHex, hexOf, unitsOf } from './modbus-rig.ts';
import { type Sent, SimulatedBus } from './simulated-bus.ts';

const UNITS = unitsOf(1, 2, 3);
const OPTIONS: ReadOptions = { timeoutMs: 500, retries: 2 };
const ONCE: ReadOptions = { timeoutMs: 500, retries: 0 };
/** Same unit, function and size: their answers differ only in what they hold. */
const A: ModbusRead = { unit: 1, fc: 3, at: 100, count: 4 };
const B: ModbusRead = { unit: 1, fc: 3, at: 200, count: 4 };
const OTHER: ModbusRead = { unit: 2, fc: 3, at: 100, count: 4 };

const answer = (request: Buffer): Buffer => answerModbus(UNITS, request) ?? Buffer.alloc(0);
const answerTo = (read: ModbusRead): Buffer => answer(encodeRead(read));
const soon = (bytes: Buffer): Sent => ({ afterMs: 20, bytes });

function seatOn({ bus }: SimulatedBus): ModbusSeat {
  const seat = bus.join({ up: () => undefined, down: () => undefined });
  seat.start();
  return seat;
}

const damaged = Buffer.from(answerTo(A));
damaged.writeUInt8(damaged.readUInt8(5) ^ 1, 5);

for (const { fault, bytes, outcome, checkErrors } of [
  { fault: 'silence', bytes: Buffer.alloc(0), outcome: 'silent', checkErrors: 0 },
  { fault: 'a wrong CRC', bytes: damaged, outcome: 'garbled', checkErrors: 1 },
  { fault: 'an answer cut off', bytes: answerTo(A).subarray(0, 9), outcome: 'garbled', checkErrors: 0 },
  { fault: "another unit's answer", bytes: answerTo(OTHER), outcome: 'garbled', checkErrors: 0 },
  { fault: 'an answer of another size', bytes: answerTo({ ...A, count: 5 }), outcome: 'garbled', checkErrors: 0 },
  { fault: 'an answer to another function', bytes: answerTo({ ...A, fc: 4 }), outcome: 'garbled', checkErrors: 0 },
]) {
  test(`${fault} brings no value, is asked again as often as the retries say, and is counted`, async () => {
    const line = new SimulatedBus((request, place) => [soon(place === 3 ? answer(request) : bytes)]);
    const seat = seatOn(line);
    assert.equal(hexOf(await line.settled(seat.read(A, OPTIONS))), outcome);
    assert.equal(line.requests.length, 3);
    assert.equal(hexOf(await line.settled(seat.read(A, OPTIONS))), expectedHex(A));
    const counters = seat.counters;
    assert.equal(counters.retries, 2);
    assert.equal(counters.checkErrors, checkErrors * 3);
    assert.equal(counters.discardedBytes, bytes.length * 3);
    assert.deepEqual([counters.timeouts, counters.garbled], outcome === 'silent' ? [3, 0] : [0, 3]);
  });
}

test('a late answer to one read never answers the next one, which is of the same unit, function and size', async () => {
  const line = new SimulatedBus((request, place) => [{ afterMs: place === 0 ? 900 : 20, bytes: answer(request) }]);
  const seat = seatOn(line);
  assert.equal(hexOf(await line.settled(seat.read(A, ONCE))), 'silent');
  assert.equal(hexOf(await line.settled(seat.read(B, ONCE))), expectedHex(B));
  assert.equal(seat.counters.discardedBytes, answerTo(A).length);
});

test('a server slower than its time-out is read by a retry, and what it still owes goes to nobody', async () => {
  const line = new SimulatedBus((request) => [{ afterMs: 700, bytes: answer(request) }]);
  const seat = seatOn(line);
  for (const read of [A, B, A, B]) assert.equal(hexOf(await line.settled(seat.read(read, OPTIONS))), expectedHex(read));
  assert.equal(seat.counters.retries, 4);
  assert.equal(seat.counters.discardedBytes, 3 * answerTo(A).length);
});

test('a unit whose damaged answer has come owes nothing and is asked again at once', async () => {
  const line = new SimulatedBus((request, place) => [soon(place === 0 ? damaged : answer(request))]);
  const seat = seatOn(line);
  assert.equal(hexOf(await line.settled(seat.read(A, ONCE))), 'garbled');
  assert.equal(hexOf(await line.settled(seat.read(B, ONCE))), expectedHex(B));
  assert.ok((line.requests[1]?.atMs ?? 0) - (line.requests[0]?.atMs ?? 0) < 510);
});

test('while a unit owes an answer the others are read, and a late answer in the middle does not confuse them', async () => {
  const line = new SimulatedBus((request, place) => {
    if (place === 0) return [];
    return place === 1 ? [soon(answerTo(A)), { afterMs: 25, bytes: answer(request) }] : [soon(answer(request))];
  });
  const [seat, other] = [seatOn(line), seatOn(line)];
  assert.equal(hexOf(await line.settled(seat.read(A, ONCE))), 'silent');
  const readings = Promise.all([seat.read(B, ONCE), other.read(OTHER, ONCE)]);
  assert.deepEqual((await line.settled(readings)).map(hexOf), [expectedHex(B), expectedHex(OTHER)]);
  assert.deepEqual(
    line.requests.map(({ hex }) => hex),
    [A, OTHER, B].map((read) => encodeRead(read).toString('hex')),
  );
});

test('a dead unit costs the others its time-outs, and no more', async () => {
  const line = new SimulatedBus((request) => [soon(answer(request))]);
  const [dead, alive] = [seatOn(line), seatOn(line)];
  const readings = Promise.all([dead.read({ ...A, unit: 9 }, OPTIONS), alive.read(B, OPTIONS)]);
  assert.deepEqual((await line.settled(readings)).map(hexOf), ['silent', expectedHex(B)]);
  const [first, , third, fourth] = line.requests.map(({ atMs }) => atMs);
  // Three time-outs, the wire time of 21 bytes at 115200 Bd, the gaps, and whole milliseconds of the clock.
  assert.ok((fourth ?? 0) - (first ?? 0) < 3 * 510, `${first} ${third} ${fourth}`);
});

test('a busy server is asked again after a while, any other exception is taken at once', async () => {
  const busy = Buffer.from('018306c132', 'hex');
  const line = new SimulatedBus((request, place) => [soon(place === 0 ? busy : answer(request))]);
  const seat = seatOn(line);
  assert.equal(hexOf(await line.settled(seat.read(A, OPTIONS))), expectedHex(A));
  assert.ok((line.requests[1]?.atMs ?? 0) - (line.requests[0]?.atMs ?? 0) >= 500);
  const refused = await line.settled(seat.read({ ...A, at: 65_535 }, OPTIONS));
  assert.deepEqual(refused, { kind: 'exception', code: 2, why: 'illegal data address' });
  assert.equal(line.requests.length, 3);
  assert.equal(seat.counters.exceptions, 2);
});

test('a request waits for silence: the gap of the configuration, counted from the last byte', async () => {
  const line = new SimulatedBus((request) => [soon(answer(request))]);
  const seat = seatOn(line);
  const startMs = line.clock.monotonicMs();
  for (const afterMs of [3, 20, 50, 90]) line.send({ afterMs, bytes: Buffer.from('noise') });
  assert.equal(hexOf(await line.settled(seat.read(A, { ...ONCE, gapMs: 60 }))), expectedHex(A));
  assert.ok((line.requests[0]?.atMs ?? 0) - startMs >= 150);
  assert.equal(seat.counters.discardedBytes, 20);
});

test('after the program was held up, what has come meanwhile is taken off the line before the request', async () => {
  const line = new SimulatedBus((request) => [soon(answer(request))]);
  const seat = seatOn(line);
  line.clock.after(1, () => {
    line.heldUpMs += 100;
  });
  line.send({ afterMs: 3, bytes: answerTo(A) });
  assert.equal(hexOf(await line.settled(seat.read(B, ONCE))), expectedHex(B));
});

test('a line that never falls silent ends a read without a request', async () => {
  const line = new SimulatedBus(() => []);
  const seat = seatOn(line);
  for (let afterMs = 0; afterMs < 2000; afterMs += 1) line.send({ afterMs, bytes: Buffer.from([0x55]) });
  const outcome: ModbusOutcome = await line.settled(seat.read(A, ONCE));
  assert.deepEqual(outcome, { kind: 'garbled', why: 'the line is never quiet', hasCome: true });
  assert.equal(line.requests.length, 0);
});

/** Latencies reach as far as the bus promises to be safe against: one second, or all time-outs of a read together. */
const anyFault = fc.record({
  kind: fc.constantFrom('sound', 'late', 'doubled', 'silent', 'damaged', 'cut', 'noisy', 'stranger', 'echo' as const),
  afterMs: fc.integer({ min: 1, max: 1500 }),
  place: fc.nat(),
});

test('whatever the far end does, a value is always that of the register that was asked for', async () => {
  let values = 0;
  let failures = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyFault, { minLength: 10, maxLength: 20 }),
      fc.integer({ min: 2, max: 4 }),
      async (faults, retries) => {
        const line = new SimulatedBus((request, place) => {
          const fault = faults[place % faults.length];
          return fault === undefined ? [] : misbehaving(fault, request);
        });
        const seats = [seatOn(line), seatOn(line), seatOn(line)];
        const reading = seats.map(async (seat, unit) => {
          for (let round = 0; round < 5; round += 1) {
            const read: ModbusRead = { unit: unit + 1, fc: 3, at: round * 11, count: 4 };
            const outcome = await seat.read(read, { timeoutMs: 500, retries });
            if (outcome.kind === 'answer') assert.equal(hexOf(outcome), expectedHex(read));
          }
          values += seat.counters.frames;
          failures += seat.counters.timeouts + seat.counters.garbled;
        });
        await line.settled(Promise.all(reading));
      },
    ),
    { numRuns: 40 },
  );
  assert.ok(
    values > 100 && failures > 100,
    `${values} values, ${failures} failures: the faults are not what they should be`,
  );
});

function misbehaving(fault: { kind: string; afterMs: number; place: number }, request: Buffer): readonly Sent[] {
  const { kind, afterMs, place } = fault;
  const sound = answer(request);
  const send = (...parts: readonly Buffer[]): readonly Sent[] => [{ afterMs: 10, bytes: Buffer.concat(parts) }];
  const at = place % (sound.length - 1);
  switch (kind) {
    case 'sound':
      return send(sound);
    case 'late':
      return [{ afterMs, bytes: sound }];
    case 'doubled':
      return [...send(sound), { afterMs: 11, bytes: sound }];
    case 'damaged':
      return send(Buffer.from(sound.map((byte, index) => (index === at ? byte ^ 0x40 : byte))));
    case 'cut':
      return [
        { afterMs: 10, bytes: sound.subarray(0, at) },
        { afterMs, bytes: sound.subarray(at) },
      ];
    case 'noisy':
      return send(Buffer.from([0, 0xff, 0xaa]), sound);
    case 'stranger':
      return send(answerTo({ unit: 1 + (place % 3), fc: 4, at: 7, count: 4 }));
    case 'echo':
      return send(request, sound);
    default:
      return [];
  }
}
