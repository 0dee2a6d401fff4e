/** In which form samples go out: our own, or SenML. Each with the content type that MQTT 5 tells the consumer. Pure. */
import type { SampleEncoding } from '../sensor/config.ts';
import { encodeSamples, type SampleStamp } from './envelope.ts';
import type { SampledReading } from './sample-window.ts';
import { encodeSenmlCbor, encodeSenmlJson } from './senml.ts';

export interface EncodedSamples {
  readonly payload: Buffer;
  /** Undefined: none is told. */
  readonly contentType: string | undefined;
}

/** `readings` is not empty. */
export function encodeAs(
  encoding: SampleEncoding,
  device: string,
  readings: readonly SampledReading[],
  stamp: SampleStamp,
): EncodedSamples {
  switch (encoding) {
    case 'json':
      return { payload: encodeSamples(readings, stamp), contentType: undefined };
    case 'senml-json':
      return { payload: encodeSenmlJson(device, readings, stamp), contentType: 'application/senml+json' };
    case 'senml-cbor':
      return { payload: encodeSenmlCbor(device, readings, stamp), contentType: 'application/senml+cbor' };
  }
}
