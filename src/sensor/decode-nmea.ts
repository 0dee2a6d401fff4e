/**
 * Decodes one NMEA 0183 sentence (`$GPRMC,...*hh`, `!AIVDM,...`), as GPS receivers, echo sounders, wind and AIS instruments
 * send them. The framer has judged the check value; here it is cut off. `talker` is who speaks (`GP`), `type` what about
 * (`RMC`); of a proprietary sentence they are `P` and its whole address (`PGRME`). Values are named by type and field, so
 * that one sensor can route several sentences: `RMC.lat`. Fields of sentences that nmea-sentences.ts does not know are
 * named by their place, from 1: `TXT.4`. An empty field is absent.
 */
import { type Field, SENTENCES } from './nmea-sentences.ts';
import { type Decoded, type Decoder, invalid, type Scalar } from './record.ts';

/** The standard says 82; receivers with long fields go beyond. */
const SENTENCE_BYTES_MAX = 256;

/** A second `$` would be a second sentence, glued on where bytes were lost. */
const SENTENCE = /^[$!]([A-Z][A-Z0-9]{2,15})(?:,([ -#%-)+-~]*))?(?:\*[0-9A-Fa-f]{2})?[\r\n]*$/;

export function nmeaDecoder(): Decoder {
  return (frame): Decoded => {
    if (frame.length > SENTENCE_BYTES_MAX) return invalid(`longer than ${SENTENCE_BYTES_MAX} bytes`);
    const [, address, fields] = SENTENCE.exec(frame.toString('latin1')) ?? [];
    if (address === undefined) return invalid('not an NMEA 0183 sentence');
    const { talker, type } = partsOf(address);
    const record = new Map<string, Scalar>([
      ['talker', { kind: 'string', text: talker }],
      ['type', { kind: 'string', text: type }],
    ]);
    const values = fields?.split(',') ?? [];
    const known = talker === 'P' ? undefined : SENTENCES.get(type);
    if (known === undefined) putRaw(record, type, values);
    else if (!putKnown(record, type, known, values)) return invalid('a field is not what its sentence says');
    return { kind: 'record', record };
  };
}

function partsOf(address: string): { readonly talker: string; readonly type: string } {
  if (address.startsWith('P')) return { talker: 'P', type: address };
  return { talker: address.slice(0, 2), type: address.slice(2) };
}

function putRaw(record: Map<string, Scalar>, type: string, values: readonly string[]): void {
  for (const [index, value] of values.entries()) {
    if (value !== '') record.set(`${type}.${index + 1}`, { kind: 'text', text: value });
  }
}

/** False when a value is not what its field says. What stands behind the last known field is of a later edition. */
function putKnown(
  record: Map<string, Scalar>,
  type: string,
  fields: readonly Field[],
  values: readonly string[],
): boolean {
  let at = 0;
  for (const { name, width, read } of fields) {
    const value = read(values.slice(at, at + width));
    at += width;
    if (value === 'malformed') return false;
    if (value !== 'absent') record.set(`${type}.${name}`, value);
  }
  return true;
}
