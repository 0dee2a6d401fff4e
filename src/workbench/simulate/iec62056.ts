/**
 * A meter with an optical head, IEC 62056-21 mode C: the request `/?!` brings its identification with the speed it can
 * do, the acknowledgement of a speed brings the read-out. The line's own speed is the business of whoever carries the
 * bytes; a pseudo-terminal and TCP have none.
 */
import type { Random } from '../random.ts';
import { xorOf } from './checks.ts';
import { dataSet, dataSetText, dataSetTruth } from './data-sets.ts';
import { household } from './household.ts';
import { askedMeter, lineLength, type VirtualMeter } from './meter.ts';
import { fixedText } from './wander.ts';

/** "5": 9600 Bd. */
const SPEED = '5';
const STX = 0x02;
const ETX = 0x03;

export function opticalMeter(random: Random): VirtualMeter {
  const consumption = household(random);
  const address = String(random.whole(10_000_000, 99_999_999));
  let asked = false;
  return askedMeter(lineLength, (line, atMs) => {
    const text = line.toString('latin1').trim();
    const [, wanted] = /^\/\?([0-9A-Za-z]{0,32})!$/.exec(text) ?? [];
    if (wanted !== undefined) {
      asked = wanted === '' || wanted === address;
      return asked ? [{ bytes: Buffer.from(`/SIM${SPEED}fieldpost\r\n`) }] : [];
    }
    // ACK, protocol 0, a speed up to ours, mode 0: read-out (6.3.3 of the standard).
    const acknowledged = asked && /^\u00060[0-5]0$/.test(text);
    asked = false;
    return acknowledged ? [readOut(address, consumption(atMs))] : [];
  });
}

function readOut(address: string, now: ReturnType<ReturnType<typeof household>>) {
  const dataSets = [
    dataSet('F.F', '00000000'),
    dataSet('0.0.0', address),
    dataSet('1.8.0', `${fixedText(now.importWh[0] + now.importWh[1], 3, 6)}*kWh`),
    dataSet('1.8.1', `${fixedText(now.importWh[0], 3, 6)}*kWh`),
    dataSet('1.8.2', `${fixedText(now.importWh[1], 3, 6)}*kWh`),
    dataSet('2.8.0', `${fixedText(now.exportWh[0] + now.exportWh[1], 3, 6)}*kWh`),
    dataSet('32.7', `${fixedText(now.voltage[0], 1, 3)}*V`),
  ];
  const text = Buffer.from(`${dataSets.map((each) => `${dataSetText(each)}\r\n`).join('')}!\r\n`, 'latin1');
  const checked = Buffer.concat([text, Buffer.from([ETX])]);
  // The block check covers what follows STX, up to and with ETX.
  const bytes = Buffer.concat([Buffer.from([STX]), checked, Buffer.from([xorOf(checked)])]);
  return { bytes, truth: dataSetTruth(dataSets) };
}
