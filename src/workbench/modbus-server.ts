/**
 * A small virtual Modbus RTU server for tests, the demo and `simulate`: several units on one bus, each a few tables, asked
 * by functions 1 to 4. It is only bytes in and bytes out, so that any carrier can use it. The CRC is written out here once
 * more: a server that shared the agent's would share its mistakes.
 */

/** The value at an address: a register's 16 bits, or 0 or 1 of a coil; undefined: there is none. */
export type ModbusTable = (address: number) => number | undefined;

/** A table that is missing answers with exception 1, illegal function. */
export interface ModbusUnit {
  readonly coils?: ModbusTable;
  readonly discreteInputs?: ModbusTable;
  readonly holdingRegisters?: ModbusTable;
  readonly inputRegisters?: ModbusTable;
}

/** By address, 1 to 247. */
export type ModbusUnits = ReadonlyMap<number, ModbusUnit>;

const REQUEST_BYTES = 8;
const COILS_MAX = 2000;
const REGISTERS_MAX = 125;

/** These values from this address on. */
export function tableOf(at: number, values: readonly number[]): ModbusTable {
  return (address) => values[address - at];
}

/** The answer to one request; undefined: a server says nothing (not its unit, a broadcast, a wrong CRC). */
export function answerModbus(units: ModbusUnits, request: Buffer): Buffer | undefined {
  if (request.length !== REQUEST_BYTES || crc16(request) !== 0) return undefined;
  const [unitAddress = 0, fc = 0] = request;
  const unit = units.get(unitAddress);
  if (unit === undefined) return undefined;
  const at = request.readUInt16BE(2);
  const count = request.readUInt16BE(4);
  const exception = (code: number): Buffer => withCrc([unitAddress, fc | 0x80, code]);
  const table = [undefined, unit.coils, unit.discreteInputs, unit.holdingRegisters, unit.inputRegisters][fc];
  if (table === undefined) return exception(1);
  if (count < 1 || count > (fc <= 2 ? COILS_MAX : REGISTERS_MAX)) return exception(3);
  if (at + count > 65_536) return exception(2);
  const values = Array.from({ length: count }, (_, place) => table(at + place));
  if (!values.every((value) => value !== undefined)) return exception(2);
  const bytes = fc <= 2 ? packed(values) : values.flatMap((value) => [(value >> 8) & 0xff, value & 0xff]);
  return withCrc([unitAddress, fc, bytes.length, ...bytes]);
}

/**
 * The server's end of a bus: takes what comes off the line, gives what goes back. Requests are found by their length, 8
 * bytes, and their CRC, wherever they begin; those of other lengths (functions 15 and up) are not seen.
 */
export function modbusServer(units: ModbusUnits): (chunk: Buffer) => Buffer {
  let held = Buffer.alloc(0);
  return (chunk) => {
    const answers: Buffer[] = [];
    let rest = Buffer.concat([held, chunk]);
    while (rest.length >= REQUEST_BYTES) {
      const request = rest.subarray(0, REQUEST_BYTES);
      const isRequest = crc16(request) === 0;
      if (isRequest) answers.push(answerModbus(units, request) ?? Buffer.alloc(0));
      rest = rest.subarray(isRequest ? REQUEST_BYTES : 1);
    }
    held = Buffer.from(rest);
    return Buffer.concat(answers);
  };
}

/** Eight coils a byte, the first one lowest. */
function packed(values: readonly number[]): number[] {
  return Array.from({ length: Math.ceil(values.length / 8) }, (_, place) =>
    values.slice(place * 8, place * 8 + 8).reduce((byte, value, bit) => byte | ((value === 0 ? 0 : 1) << bit), 0),
  );
}

function withCrc(bytes: readonly number[]): Buffer {
  const frame = Buffer.from([...bytes, 0, 0]);
  frame.writeUInt16LE(crc16(frame.subarray(0, -2)), frame.length - 2);
  return frame;
}

/** Bit by bit (MODBUS over Serial Line 1.02, 6.2.2). Over a frame with its own CRC it is 0. */
function crc16(bytes: Uint8Array): number {
  let register = 0xffff;
  for (const byte of bytes) {
    register ^= byte;
    for (let bit = 0; bit < 8; bit += 1) register = (register & 1) === 1 ? (register >> 1) ^ 0xa001 : register >> 1;
  }
  return register;
}
