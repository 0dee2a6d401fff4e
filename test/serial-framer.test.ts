/** The framer: the same frames for every cut, fixed memory, linear time, and nothing lost uncounted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { FramerOutput } from '../src/serial/framer.ts';
import { LineFramer } from '../src/serial/line-framer.ts';

interface Setting {
  readonly delimiter: string;
  readonly max: number;
  readonly startsTorn: boolean;
}

/** Adjacent discards of one reason as one: how they are told in pieces depends on the chunks, what they are does not. */
function joined(outputs: readonly FramerOutput[]): (string | number)[][] {
  const result: (string | number)[][] = [];
  for (const output of outputs) {
    const last = result.at(-1);
    if (output.kind === 'frame') result.push(['frame', output.bytes.toString('latin1')]);
    else {
      const reason = output.reason === 'rest' ? 'oversize' : output.reason;
      const continues = last?.[0] === reason && output.reason !== 'oversize';
      if (last !== undefined && continues) last[1] = Number(last[1]) + output.count;
      else result.push([reason, output.count]);
    }
  }
  return result;
}

function cut(setting: Setting, chunks: readonly Buffer[]): FramerOutput[] {
  const framer = new LineFramer({ ...setting, delimiter: Buffer.from(setting.delimiter, 'latin1') });
  return [...chunks.flatMap((chunk) => framer.push(chunk)), ...framer.end()];
}

/** An independent framer: the whole stream at once, as text. */
function expected({ delimiter, max, startsTorn }: Setting, stream: Buffer): (string | number)[][] {
  const parts = stream.toString('latin1').split(delimiter);
  const rest = parts.pop() ?? '';
  const result: (string | number)[][] = [];
  let torn = startsTorn;
  for (const part of parts) {
    const frame = delimiter === '\n' ? part.replace(/\r$/, '') : part;
    if (torn) {
      if (part !== '') result.push(['torn', part.length]);
      torn = false;
    } else if (frame.length > max) result.push(['oversize', part.length]);
    else if (frame !== '') result.push(['frame', frame]);
  }
  const held = max + (delimiter === '\n' ? 1 : 0);
  if (rest !== '') result.push([torn ? 'torn' : rest.length > held ? 'oversize' : 'closed', rest.length]);
  return result;
}

const setting = fc.record({
  delimiter: fc.constantFrom('\n', '\r\n', ';', 'aa', 'aab', '\n\n\n\n', 'abab'),
  max: fc.integer({ min: 1, max: 12 }),
  startsTorn: fc.boolean(),
});
/** Few letters, so that delimiters and their beginnings are everywhere. */
const stream = fc
  .array(fc.constantFrom('a', 'b', '\n', '\r', ';', '\u00ff'), { maxLength: 120 })
  .map((letters) => Buffer.from(letters.join(''), 'latin1'));

test('every cut into chunks gives what an independent framer gives for the whole', () => {
  fc.assert(
    fc.property(setting, stream, fc.array(fc.integer({ min: 1, max: 9 })), (how, bytes, sizes) => {
      const chunks: Buffer[] = [];
      for (let from = 0, index = 0; from < bytes.length; index += 1) {
        const size = sizes[index] ?? 1;
        chunks.push(bytes.subarray(from, from + size));
        from += size;
      }
      const wanted = expected(how, bytes);
      assert.deepEqual(joined(cut(how, chunks)), wanted);
      assert.deepEqual(joined(cut(how, [bytes])), wanted);
    }),
    { numRuns: 3000 },
  );
});

test('a frame is a copy: the chunk may be used again', () => {
  const framer = new LineFramer({ delimiter: Buffer.from('\n'), max: 64, startsTorn: false });
  const chunk = Buffer.from('12.5\n');
  const [frame] = framer.push(chunk);
  chunk.fill(0);
  assert.deepEqual(frame, { kind: 'frame', bytes: Buffer.from('12.5'), body: Buffer.from('12.5') });
});

for (const [name, noise] of [
  ['0xFF', (): number => 0xff],
  [
    'random bytes without a delimiter',
    (at: number): number => [0x00, 0x41, 0x7f, 0xfe][(at * 2_654_435_761) >>> 30] ?? 0,
  ],
  ['beginnings of a delimiter', (at: number): number => (at % 4 === 3 ? 0x78 : 0x0d)],
] as const) {
  test(`16 MiB of ${name} take no memory and little time, and the next good frame is there`, (t) => {
    const framer = new LineFramer({ delimiter: Buffer.from('\r\r\r\r'), max: 1024, startsTorn: false });
    const chunk = Buffer.from(Array.from({ length: 64 * 1024 }, (_, at) => noise(at)));
    framer.push(chunk);
    const beforeBytes = process.memoryUsage().rss;
    const startedMs = performance.now();
    let discarded = chunk.length;
    for (let sent = chunk.length; sent < 16 << 20; sent += chunk.length) {
      for (const output of framer.push(chunk)) discarded += output.kind === 'discarded' ? output.count : 0;
    }
    const tookMs = performance.now() - startedMs;
    const grownBytes = process.memoryUsage().rss - beforeBytes;
    const end = framer.push(Buffer.from('\r\r\r\rgood\r\r\r\r'));
    assert.deepEqual(end.at(-1), { kind: 'frame', bytes: Buffer.from('good'), body: Buffer.from('good') });
    for (const output of end) discarded += output.kind === 'discarded' ? output.count : 0;
    t.diagnostic(`${tookMs.toFixed(0)} ms, RSS ${(grownBytes / 2 ** 20).toFixed(1)} MiB more`);
    // The first chunk's share was counted above whole; what it held back comes at most four bytes late.
    assert.ok(Math.abs(discarded - (16 << 20)) <= 8, `${discarded} of ${16 << 20}`);
    assert.ok(grownBytes < 24 << 20);
    assert.ok(tookMs < 3000);
  });
}
