/** The virtual meters by the names of the profiles that read them. */
import { mhZ19, pms5003, sds011, sps30 } from './air.ts';
import { csvBoard, jsonBoard, pulseCounter } from './boards.ts';
import { gpsReceiver } from './gps.ts';
import { opticalMeter } from './iec62056.ts';
import { mbusMeter } from './mbus.ts';
import type { CreateMeter } from './meter.ts';
import { sdm120, sdm630 } from './modbus-meters.ts';
import { dsmr4Meter, dsmr5Meter } from './p1.ts';
import { sicsScale } from './scale.ts';
import { smlMeter } from './sml.ts';

export interface MeterKind {
  /** One line: what it says, and when. */
  readonly about: string;
  readonly create: CreateMeter;
}

export const METERS: Readonly<Record<string, MeterKind>> = {
  'arduino-json': { about: 'temperature and humidity as a JSON line every second', create: jsonBoard },
  'arduino-csv': { about: 'temperature and humidity with a comma between them every second', create: csvBoard },
  dsmr4: { about: 'a P1 telegram of DSMR 4 every ten seconds', create: dsmr4Meter },
  dsmr5: { about: 'a P1 telegram of DSMR 5 every second', create: dsmr5Meter },
  'iec62056-d0': { about: 'answers /?! and the acknowledgement of its speed with a read-out', create: opticalMeter },
  sml: { about: 'an SML file every second', create: smlMeter },
  sdm120: { about: 'answers Modbus RTU function 4 at address 1', create: sdm120 },
  sdm630: { about: 'answers Modbus RTU function 4 at address 1', create: sdm630 },
  pms5003: { about: 'particles, a frame every second', create: pms5003 },
  sds011: { about: 'particles, a frame every second', create: sds011 },
  sps30: { about: 'answers SHDLC start, stop and read of particles', create: sps30 },
  'mh-z19': { about: 'answers the request for carbon dioxide', create: mhZ19 },
  'nmea-gps': { about: 'where a boat is: RMC and GGA every second', create: gpsReceiver },
  'sics-scale': { about: 'answers S, SI, Z and @', create: sicsScale },
  'pulse-counter': { about: 'a numbered record a second, repeated until it is acknowledged', create: pulseCounter },
  'mbus-raw': { about: 'answers SND_NKE and REQ_UD2 at address 1', create: mbusMeter },
};

export const METER_NAMES: readonly string[] = Object.keys(METERS);
