/** Eastron's Modbus meters at address 1: a float in each two input registers, at the places of their manuals. */
import type { Random } from '../random.ts';
import { answerModbus, type ModbusUnits } from '../modbus-server.ts';
import { crcModbus } from './checks.ts';
import { type Consumption, household } from './household.ts';
import { askedMeter, type VirtualMeter } from './meter.ts';

const UNIT = 1;
const REQUEST_BYTES = 8;
/** Input registers beyond the last one that the manuals name are not there; those between are 0. */
const REGISTERS = 0x0180;

/** A value, and the first of its two registers. Hundredths: a 32-bit float tells them apart. */
interface Value {
  readonly name: string;
  readonly at: number;
  readonly hundredths: number;
}

export function sdm120(random: Random): VirtualMeter {
  return eastron(random, (now) => {
    const power = now.importW - now.exportW;
    return [
      { name: 'voltage', at: 0, hundredths: now.voltage[0] * 10 },
      { name: 'current', at: 6, hundredths: Math.round((Math.abs(power) * 1000) / now.voltage[0]) },
      { name: 'power', at: 12, hundredths: power * 100 },
      { name: 'power_factor', at: 30, hundredths: 98 },
      ...totals(now),
    ];
  });
}

export function sdm630(random: Random): VirtualMeter {
  return eastron(random, (now) => {
    const power = now.importW - now.exportW;
    const third = Math.trunc(power / 3);
    const phases = [third, third, power - 2 * third].flatMap((watts, phase): Value[] => {
      const volts = now.voltage[phase] ?? 0;
      return [
        { name: `voltage_l${phase + 1}`, at: 2 * phase, hundredths: volts * 10 },
        { name: `current_l${phase + 1}`, at: 6 + 2 * phase, hundredths: Math.round((Math.abs(watts) * 1000) / volts) },
        { name: `power_l${phase + 1}`, at: 12 + 2 * phase, hundredths: watts * 100 },
      ];
    });
    return [...phases, { name: 'power', at: 52, hundredths: power * 100 }, ...totals(now)];
  });
}

function totals({ frequency, importWh, exportWh }: Consumption): readonly Value[] {
  const kilowattHours = ([low, normal]: readonly [number, number]): number => Math.floor((low + normal) / 10);
  return [
    { name: 'frequency', at: 70, hundredths: frequency },
    { name: 'import', at: 72, hundredths: kilowattHours(importWh) },
    { name: 'export', at: 74, hundredths: kilowattHours(exportWh) },
  ];
}

function eastron(random: Random, valuesOf: (now: Consumption) => readonly Value[]): VirtualMeter {
  const consumption = household(random);
  return askedMeter(requestLength, (request, atMs) => {
    const values = valuesOf(consumption(atMs));
    const registers = Buffer.alloc(2 * REGISTERS);
    for (const { at, hundredths } of values) registers.writeFloatBE(hundredths / 100, 2 * at);
    const inputRegisters = (address: number): number | undefined =>
      address < REGISTERS ? registers.readUInt16BE(2 * address) : undefined;
    const units: ModbusUnits = new Map([[UNIT, { inputRegisters }]]);
    const bytes = answerModbus(units, request);
    if (bytes === undefined) return [];
    if (((bytes[1] ?? 0) & 0x80) !== 0) return [{ bytes }];
    const from = request.readUInt16BE(2);
    const to = from + request.readUInt16BE(4);
    const read = values.filter(({ at }) => at >= from && at + 2 <= to);
    return [{ bytes, truth: Object.fromEntries(read.map((each) => [each.name, String(each.hundredths / 100)])) }];
  });
}

/** Eight bytes whose last two are the CRC of the others, wherever they begin. */
function requestLength(held: Buffer): number {
  if (held.length < REQUEST_BYTES) return 0;
  return crcModbus(held.subarray(0, REQUEST_BYTES)) === 0 ? REQUEST_BYTES : -1;
}
