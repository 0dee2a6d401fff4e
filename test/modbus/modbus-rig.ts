/** Buses over real lines, a far end that answers by a script, and values that tell where they come from. */
import type { TestContext } from 'node:test';
import { systemChance } from '../../src/platform/chance.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { lineOpener } from '../../src/platform/lines.ts';
import type { PortSpec } from '../../src/ports-line.ts';
import { lineFactory } from '../../src/serial/line.ts';
import type { ModbusRead } from '../../src/serial/modbus-adu.ts';
import { ModbusBus, type ModbusOutcome, type ModbusSeat } from '../../src/serial/modbus-bus.ts';
import { owedAnswers } from '../../src/serial/owed-answers.ts';
import type { ModbusUnit, ModbusUnits } from '../../src/workbench/modbus-server.ts';
import { keptLog, ptyFor, ttySpec, until } from '../serial-rig.ts';

/** Time for an answer that is to come: long, for a machine that is busy. */
export const PATIENT = { timeoutMs: 10_000, retries: 0 };
/** Time for an answer that will not come. */
export const BRIEF = { timeoutMs: 30, retries: 0 };

/** What stands in a register: another value for each unit, table and address near it. */
export function valueOf(unit: number, fc: number, address: number): number {
  return (unit * 4099 + fc * 1031 + address * 7) & 0xffff;
}

export function unitOf(unit: number, end = 65_536): ModbusUnit {
  const table = (fc: number) => (address: number) => (address < end ? valueOf(unit, fc, address) : undefined);
  const coils = (fc: number) => (address: number) => (address < end ? valueOf(unit, fc, address) & 1 : undefined);
  return { coils: coils(1), discreteInputs: coils(2), holdingRegisters: table(3), inputRegisters: table(4) };
}

export function unitsOf(...units: readonly number[]): ModbusUnits {
  return new Map(units.map((unit) => [unit, unitOf(unit)]));
}

/** What a sound answer to this read holds, in hex. */
export function expectedHex({ unit, fc, at, count }: ModbusRead): string {
  const values = Array.from({ length: count }, (_, place) => valueOf(unit, fc, at + place));
  if (fc > 2) return Buffer.from(values.flatMap((value) => [value >> 8, value & 0xff])).toString('hex');
  const bytes = Buffer.alloc(Math.ceil(count / 8));
  for (const [place, value] of values.entries())
    bytes[place >> 3] = (bytes[place >> 3] ?? 0) | ((value & 1) << (place & 7));
  return bytes.toString('hex');
}

export function hexOf(outcome: ModbusOutcome): string {
  return outcome.kind === 'answer' ? outcome.registers.toString('hex') : outcome.kind;
}

export interface Script {
  readonly spec: PortSpec;
  /** Every request so far, 8 bytes each. */
  readonly requests: Buffer[];
  send(bytes: Buffer): Promise<void>;
  hangUp(): Promise<void>;
}

/** A far end on a pty: `onRequest` gives the bytes that go back. */
export async function scriptedPty(
  t: TestContext,
  onRequest: (request: Buffer, place: number) => Buffer | undefined,
): Promise<Script> {
  const pty = await ptyFor(t);
  const requests: Buffer[] = [];
  let held = Buffer.alloc(0);
  pty.onBytes((bytes) => {
    held = Buffer.concat([held, bytes]);
    for (; held.length >= 8; held = held.subarray(8)) {
      const request = Buffer.from(held.subarray(0, 8));
      requests.push(request);
      const answer = onRequest(request, requests.length - 1);
      // A terminal that the test has ended has nobody to tell.
      if (answer !== undefined) pty.write(answer).catch(() => undefined);
    }
  });
  return { spec: ttySpec(pty.path), requests, send: (bytes) => pty.write(bytes), hangUp: () => pty.hangUp() };
}

/** `owed`: what units owe to whoever asked before; default: nobody did. */
export function busFor(spec: PortSpec, owed = owedAnswers(Number.NEGATIVE_INFINITY)): ModbusBus {
  const log = keptLog();
  const ports = { opener: lineOpener(systemClock), clock: systemClock, chance: systemChance, log };
  return new ModbusBus({ port: spec, createLine: lineFactory(ports), owed, clock: systemClock, log });
}

export interface Seated extends ModbusSeat {
  readonly heard: string[];
}

/** A sensor's seat, started and up; it is stopped with the test. */
export async function seatOn(t: TestContext, bus: ModbusBus): Promise<Seated> {
  const heard: string[] = [];
  const seat = bus.join({ up: () => heard.push('up'), down: () => heard.push('down') });
  t.after(() => seat.stop());
  seat.start();
  await until(() => heard.includes('up'), 'the bus to come up');
  return {
    get counters() {
      return seat.counters;
    },
    start: () => seat.start(),
    stop: () => seat.stop(),
    read: (read, options) => seat.read(read, options),
    heard,
  };
}
