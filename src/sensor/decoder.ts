/** Chooses the decoder that a sensor's configuration names. */
import type { DecodeConfig } from './config.ts';
import { jsonDecoder, type ParseJson } from './decode-json.ts';
import { csvDecoder, regexDecoder } from './decode-text.ts';
import type { Decoder } from './record.ts';

export function decoderOf(config: DecodeConfig, parseJson: ParseJson): Decoder {
  switch (config.type) {
    case 'json':
      return jsonDecoder(parseJson);
    case 'csv':
      return csvDecoder(config.columns, config.separator);
    case 'regex':
      return regexDecoder(config.pattern);
  }
}

/** A JSON object without its beginning is no JSON; a row of values or a match without it may pass for a whole one. */
export function passesWhenTorn(config: DecodeConfig): boolean {
  return config.type !== 'json';
}
