/** What a bad cable does to a frame: a bit turned, bytes lost, bytes that nobody sent. */
import type { Random } from '../random.ts';

const GARBAGE_MAX = 40;

/** The frame, or with the probability `rate` what is left of it. */
export function disturb(bytes: Buffer, rate: number, random: Random): Buffer {
  if (random.unit() >= rate) return bytes;
  switch (random.whole(0, 2)) {
    case 0: {
      const turned = Buffer.from(bytes);
      const at = random.whole(0, bytes.length - 1);
      turned[at] = (turned[at] ?? 0) ^ (1 << random.whole(0, 7));
      return turned;
    }
    case 1: {
      const from = random.whole(0, bytes.length - 1);
      const to = random.whole(from + 1, bytes.length);
      return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
    }
    default: {
      const garbage = Buffer.from(Array.from({ length: random.whole(1, GARBAGE_MAX) }, () => random.whole(0, 255)));
      return Buffer.concat([garbage, bytes]);
    }
  }
}
