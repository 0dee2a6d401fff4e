/** Chooses the decoder that a sensor's configuration names. */
import type { DecodeConfig } from './config.ts';
import { jsonDecoder, type ParseJson } from './decode-json.ts';
import { csvDecoder, regexDecoder } from './decode-text.ts';
import { nmeaDecoder } from './decode-nmea.ts';
import { obisDecoder } from './decode-obis.ts';
import { rawDecoder } from './decode-raw.ts';
import { smlDecoder } from './decode-sml.ts';
import { structDecoder } from './decode-struct.ts';
import type { Decoder } from './record.ts';

export function decoderOf(config: DecodeConfig, parseJson: ParseJson): Decoder {
  switch (config.type) {
    case 'json':
      return jsonDecoder(parseJson);
    case 'csv':
      return csvDecoder(config.columns, config.separator);
    case 'regex':
      return regexDecoder(config.pattern);
    case 'struct':
      return structDecoder(config.fields);
    case 'obis':
      return obisDecoder();
    case 'nmea':
      return nmeaDecoder();
    case 'sml':
      return smlDecoder();
    case 'raw':
      return rawDecoder();
  }
}

/**
 * Whether a frame without its beginning could pass for a whole one. A JSON object, an NMEA sentence and an SML file have a
 * beginning of their own and are nothing without it. A row, a match, a number at a fixed place or an OBIS code is still
 * one when its first bytes are missing: `5.8.0(17)` may be the end of `15.8.0(17)`.
 */
export function passesWhenTorn(config: DecodeConfig): boolean {
  return config.type !== 'json' && config.type !== 'nmea' && config.type !== 'sml';
}
