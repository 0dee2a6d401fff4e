/**
 * Cyclic redundancy checks of 8 to 32 bits by the parameters of the Rocksoft model (R. Williams, "A painless guide to CRC
 * error detection algorithms", 1993, section 15), table driven, a byte a step. The presets are those of the "Catalogue of
 * parametrised CRC algorithms" (reveng.sourceforge.io/crc-catalogue), under the names that device.json uses.
 */
import type { CrcParameters } from './framing.ts';
import { invariant } from '../fault.ts';

/** The CRC of `bytes[from, to)`, unsigned. */
export type Crc = (bytes: Uint8Array, from: number, to: number) => number;

const presets = {
  'crc-8': { width: 8, poly: '07', init: '0', refin: false, refout: false, xorout: '0' },
  // 1-Wire.
  'crc-8-maxim': { width: 8, poly: '31', init: '0', refin: true, refout: true, xorout: '0' },
  'crc-16-arc': { width: 16, poly: '8005', init: '0', refin: true, refout: true, xorout: '0' },
  'crc-16-modbus': { width: 16, poly: '8005', init: 'ffff', refin: true, refout: true, xorout: '0' },
  'crc-16-usb': { width: 16, poly: '8005', init: 'ffff', refin: true, refout: true, xorout: 'ffff' },
  // IBM-SDLC: also HDLC, DLMS and SML.
  'crc-16-x25': { width: 16, poly: '1021', init: 'ffff', refin: true, refout: true, xorout: 'ffff' },
  // IBM-3740.
  'crc-16-ccitt-false': { width: 16, poly: '1021', init: 'ffff', refin: false, refout: false, xorout: '0' },
  'crc-16-xmodem': { width: 16, poly: '1021', init: '0', refin: false, refout: false, xorout: '0' },
  'crc-16-kermit': { width: 16, poly: '1021', init: '0', refin: true, refout: true, xorout: '0' },
  'crc-16-dnp': { width: 16, poly: '3d65', init: '0', refin: true, refout: true, xorout: 'ffff' },
  'crc-32': { width: 32, poly: '04c11db7', init: 'ffffffff', refin: true, refout: true, xorout: 'ffffffff' },
  // Castagnoli; ISCSI in the catalogue.
  'crc-32-c': { width: 32, poly: '1edc6f41', init: 'ffffffff', refin: true, refout: true, xorout: 'ffffffff' },
  'crc-32-mpeg2': { width: 32, poly: '04c11db7', init: 'ffffffff', refin: false, refout: false, xorout: '0' },
} as const satisfies Readonly<Record<string, CrcParameters>>;

/** Presets by name, short names included. */
const PRESETS: ReadonlyMap<string, CrcParameters> = new Map<string, CrcParameters>([
  ...Object.entries(presets),
  ['arc', presets['crc-16-arc']],
  ['modbus', presets['crc-16-modbus']],
  ['x-25', presets['crc-16-x25']],
  ['ccitt-false', presets['crc-16-ccitt-false']],
  ['xmodem', presets['crc-16-xmodem']],
  ['kermit', presets['crc-16-kermit']],
]);

/** Names that the configuration may give. */
export const CRC_PRESETS: readonly string[] = [...PRESETS.keys()];

/** The configuration has judged the name: that another one comes is a bug. */
export function crcPreset(name: string): CrcParameters {
  const parameters = PRESETS.get(name);
  invariant(parameters !== undefined, `${name} is no preset of a CRC`);
  return parameters;
}

/** `width` is 8 to 32, and the values fit in so many bits. */
export function crcOf({ width, poly, init, refin, refout, xorout }: CrcParameters): Crc {
  const unused = 32 - width;
  const polynomial = Number.parseInt(poly, 16);
  const start = Number.parseInt(init, 16);
  const final = Number.parseInt(xorout, 16);
  const finish = (value: number): number => ((refin === refout ? value : reflected(value >>> 0, width)) ^ final) >>> 0;
  // The register stands at the end where bits leave it: low when reflected, else high in the 32 bits.
  if (refin) {
    const table = lowTable(reflected(polynomial, width));
    const first = reflected(start, width);
    return (bytes, from, to) => {
      let register = first;
      for (let at = from; at < to; at += 1)
        register = (table[(register ^ (bytes[at] as number)) & 0xff] as number) ^ (register >>> 8);
      return finish(register);
    };
  }
  const table = highTable(polynomial << unused);
  const first = start << unused;
  return (bytes, from, to) => {
    let register = first;
    for (let at = from; at < to; at += 1)
      register = (table[(register >>> 24) ^ (bytes[at] as number)] as number) ^ (register << 8);
    return finish(register >>> unused);
  };
}

function lowTable(polynomial: number): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    let register = byte;
    for (let bit = 0; bit < 8; bit += 1)
      register = (register & 1) === 1 ? (register >>> 1) ^ polynomial : register >>> 1;
    return register;
  });
}

function highTable(polynomial: number): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    let register = byte << 24;
    for (let bit = 0; bit < 8; bit += 1) register = register < 0 ? (register << 1) ^ polynomial : register << 1;
    return register;
  });
}

/** The lowest `width` bits in reverse order. */
function reflected(value: number, width: number): number {
  let result = 0;
  for (let bit = 0; bit < width; bit += 1) result = (result << 1) | ((value >>> bit) & 1);
  return result >>> 0;
}
