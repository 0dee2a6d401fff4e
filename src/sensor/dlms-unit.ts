/**
 * Units of DLMS/COSEM (IEC 62056-6-2, "unit" of a register), in SenML's words where it has one (RFC 8428: `Cel`, `m3`, `l`).
 * Meters number them; SML and DLMS send the number.
 */
/** Ten a row, from 0; "-" has no word. 14, 16 and 18 are of a gas volume converted to base conditions. */
const UNITS = [
  '- a mo wk d h min s deg Cel',
  '- m m/s m3 m3 m3/h m3/h m3/d m3/d l',
  'kg N Nm Pa bar J J/h W VA var',
  'Wh VAh varh A C V V/m F Ohm -',
  'Wb T A/m H Hz - - - - -',
  'kg/s S K - - - % Ah - -',
].flatMap((row) => row.split(' '));
/** A count, or no unit. */
const UNITLESS = 255;

/** The number itself where the table has no word for it; undefined for what has no unit. */
export function dlmsUnit(code: number): string | undefined {
  if (code === UNITLESS) return undefined;
  const word = UNITS[code] ?? '-';
  return word === '-' ? String(code) : word;
}
