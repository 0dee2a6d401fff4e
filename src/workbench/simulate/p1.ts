/**
 * A smart meter's P1 port: telegrams after the DSMR P1 companion standards 4.0 (every ten seconds, gas by the hour) and
 * 5.0.2 (every second, gas every five minutes), sent to whoever listens, as with the request line tied high.
 */
import type { Random } from '../random.ts';
import { crcArc } from './checks.ts';
import { type DataSet, dataSet, dataSetText, dataSetTruth } from './data-sets.ts';
import { type Consumption, household } from './household.ts';
import { talkingMeter, type VirtualMeter } from './meter.ts';
import { fixedText } from './wander.ts';

interface Edition {
  readonly id: string;
  /** Value of 1-3:0.2.8. */
  readonly version: string;
  readonly everyMs: number;
  readonly gasEveryMs: number;
}

const DSMR_4: Edition = { id: 'ISk5\\2MT382-1000', version: '42', everyMs: 10_000, gasEveryMs: 3_600_000 };
const DSMR_5: Edition = { id: 'ISK5\\2M550T-1012', version: '50', everyMs: 1000, gasEveryMs: 300_000 };

export function dsmr4Meter(random: Random): VirtualMeter {
  return p1Meter(random, DSMR_4);
}

export function dsmr5Meter(random: Random): VirtualMeter {
  return p1Meter(random, DSMR_5);
}

function p1Meter(random: Random, edition: Edition): VirtualMeter {
  const consumption = household(random);
  const serial = `E00${random.whole(10_000_000, 99_999_999)}`;
  const gasSerial = `G00${random.whole(10_000_000, 99_999_999)}`;
  let gas = { slot: -1, litres: 0 };
  return talkingMeter(edition.everyMs, (atMs) => {
    const now = consumption(atMs);
    const slot = Math.floor(atMs / edition.gasEveryMs);
    if (slot > gas.slot) gas = { slot, litres: now.gas };
    const dataSets = [
      dataSet('1-3:0.2.8', edition.version),
      dataSet('0-0:1.0.0', timeText(atMs)),
      dataSet('0-0:96.1.1', hexText(serial)),
      ...electricity(now, edition),
      dataSet('0-1:24.1.0', '003'),
      dataSet('0-1:96.1.0', hexText(gasSerial)),
      dataSet('0-1:24.2.1', timeText(gas.slot * edition.gasEveryMs), `${fixedText(gas.litres, 3, 5)}*m3`),
    ];
    return [{ bytes: telegram(edition.id, dataSets), truth: { id: edition.id, ...dataSetTruth(dataSets) } }];
  });
}

function electricity(now: Consumption, edition: Edition): readonly DataSet[] {
  const power = now.importW - now.exportW;
  const amperes = Math.round(Math.abs(power * 10) / now.voltage[0]);
  return [
    dataSet('1-0:1.8.1', kilowattHours(now.importWh[0])),
    dataSet('1-0:1.8.2', kilowattHours(now.importWh[1])),
    dataSet('1-0:2.8.1', kilowattHours(now.exportWh[0])),
    dataSet('1-0:2.8.2', kilowattHours(now.exportWh[1])),
    dataSet('0-0:96.14.0', now.tariff === 'low' ? '0001' : '0002'),
    dataSet('1-0:1.7.0', kilowatts(now.importW)),
    dataSet('1-0:2.7.0', kilowatts(now.exportW)),
    dataSet('0-0:96.7.21', '00004'),
    dataSet('0-0:96.7.9', '00002'),
    // The last long power failures: when each ended, and how long it was.
    dataSet('1-0:99.97.0', '2', '0-0:96.7.19', '231208152415W', '0000000240*s', '240512081536W', '0000000301*s'),
    dataSet('1-0:32.32.0', '00002'),
    dataSet('1-0:32.36.0', '00000'),
    dataSet('0-0:96.13.0', ''),
    ...(edition.version === '50' ? [dataSet('1-0:32.7.0', `${fixedText(now.voltage[0], 1, 3)}*V`)] : []),
    dataSet('1-0:31.7.0', `${fixedText(amperes, 0, 3)}*A`),
    dataSet('1-0:21.7.0', kilowatts(now.importW)),
    dataSet('1-0:22.7.0', kilowatts(now.exportW)),
  ];
}

/** The CRC covers everything from "/" to "!". */
function telegram(id: string, dataSets: readonly DataSet[]): Buffer {
  const lines = [`/${id}`, '', ...dataSets.map(dataSetText), '!'];
  const body = Buffer.from(lines.join('\r\n'), 'latin1');
  const crc = crcArc(body).toString(16).toUpperCase().padStart(4, '0');
  return Buffer.concat([body, Buffer.from(`${crc}\r\n`)]);
}

function kilowattHours(wattHours: number): string {
  return `${fixedText(wattHours, 3, 6)}*kWh`;
}

function kilowatts(watts: number): string {
  return `${fixedText(watts, 3, 2)}*kW`;
}

/** Serial numbers are sent as the hexadecimal digits of their characters. */
function hexText(text: string): string {
  return Buffer.from(text, 'latin1').toString('hex').toUpperCase();
}

/** YYMMDDhhmmss and W: Central European winter time, in which this meter stays all year. */
function timeText(atMs: number): string {
  return `${new Date(atMs + 3_600_000).toISOString().slice(2, 19).replaceAll(/\D/g, '')}W`;
}
