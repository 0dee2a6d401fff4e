/** Boards that print lines: temperature and humidity as JSON or with a comma between them, and a counter of pulses. */
import type { Random } from '../random.ts';
import { lineLength, listener, talkingMeter, type VirtualMeter } from './meter.ts';
import { fixedText, wander } from './wander.ts';

const EVERY_MS = 1000;

export function jsonBoard(random: Random): VirtualMeter {
  return climateBoard(
    random,
    ({ temperature, humidity }) => `{"temperature":${temperature},"humidity":${humidity}}\r\n`,
  );
}

export function csvBoard(random: Random): VirtualMeter {
  return climateBoard(random, ({ temperature, humidity }) => `${temperature},${humidity}\r\n`);
}

type Climate = Readonly<Record<'temperature' | 'humidity', string>>;

function climateBoard(random: Random, lineOf: (climate: Climate) => string): VirtualMeter {
  const temperature = wander(random, { low: -50, high: 350, step: 2 });
  const humidity = wander(random, { low: 200, high: 900, step: 5 });
  return talkingMeter(EVERY_MS, () => {
    const truth = { temperature: fixedText(temperature(), 1), humidity: fixedText(humidity(), 1) };
    return [{ bytes: Buffer.from(lineOf(truth)), truth }];
  });
}

/**
 * Numbers its records within one life (`boot`) and repeats each until the line `ACK <boot> <seq>` comes back; pulses that
 * come meanwhile are in the next one.
 */
export function pulseCounter(random: Random): VirtualMeter {
  const boot = random.whole(0x1000, 0xffff).toString(16);
  let pulses = random.whole(0, 100_000);
  let record = { boot, seq: '1', pulses: String(pulses) };
  return {
    everyMs: EVERY_MS,
    speak: () => {
      pulses += random.whole(0, 20);
      const { seq, pulses: counted } = record;
      return [{ bytes: Buffer.from(`{"pulses":${counted},"boot":"${boot}","seq":${seq}}\n`), truth: record }];
    },
    hear: listener(lineLength, (line) => {
      if (line.toString('latin1').trim() === `ACK ${boot} ${record.seq}`) {
        record = { boot, seq: String(Number(record.seq) + 1), pulses: String(pulses) };
      }
      return [];
    }),
  };
}
