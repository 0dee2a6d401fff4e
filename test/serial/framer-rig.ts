/** Streams cut into chunks, and what a framer makes of them. */
import fc from 'fast-check';
import type { CreateFramer, Framer, FramerOutput } from '../../src/serial/framer.ts';

/** Chunks of these sizes, then the rest. */
export function chunksOf(stream: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let from = 0;
  for (const size of sizes) {
    chunks.push(stream.subarray(from, from + size));
    from += size;
  }
  return [...chunks, stream.subarray(from)];
}

export const chunkSizes = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 100 });

/** Everything that comes of the chunks and of the end. A chunk is overwritten after the push: it is not the framer's. */
export function outputsOf(framer: Framer, chunks: readonly Buffer[]): FramerOutput[] {
  const outputs = chunks.flatMap((chunk) => {
    const lent = Buffer.from(chunk);
    const pushed = framer.push(lent);
    lent.fill(0xaa);
    return pushed;
  });
  return [...outputs, ...framer.end()];
}

export function framesOf(outputs: readonly FramerOutput[]): string[] {
  return outputs.flatMap((output) => (output.kind === 'frame' ? [output.bytes.toString('latin1')] : []));
}

export function bodiesOf(outputs: readonly FramerOutput[]): Buffer[] {
  return outputs.flatMap((output) => (output.kind === 'frame' ? [output.body] : []));
}

export function discardedOf(outputs: readonly FramerOutput[]): number {
  return outputs.reduce((sum, output) => sum + (output.kind === 'discarded' ? output.count : 0), 0);
}

/** Adjacent outputs of bytes that belong to no frame as one: in how many pieces they are told depends on the chunks. */
export function joined(outputs: readonly FramerOutput[]): string[] {
  const result: { word: string; count: number }[] = [];
  for (const output of outputs) {
    const last = result.at(-1);
    if (output.kind === 'frame') {
      result.push({ word: `frame ${output.bytes.toString('hex')} body ${output.body.toString('hex')}`, count: 0 });
      continue;
    }
    const reason = output.reason === 'rest' ? 'oversize' : output.reason;
    const continues =
      last?.word === reason && (output.reason === 'noise' || output.reason === 'rest' || reason === 'torn');
    if (last !== undefined && continues) last.count += output.count;
    else result.push({ word: reason, count: output.count });
  }
  return result.map(({ word, count }) => `${word} ${count}`);
}

/** Cut once at every place, and into single bytes: each must give what the whole stream gives, which is returned. */
export function everyCut(create: CreateFramer, stream: Buffer, startsTorn = false): FramerOutput[] {
  const whole = outputsOf(create(startsTorn), [stream]);
  const wanted = joined(whole).join('\n');
  const cuts = Array.from({ length: stream.length + 1 }, (_, at) => [at]);
  for (const sizes of [...cuts, Array.from(stream, () => 1)]) {
    const got = joined(outputsOf(create(startsTorn), chunksOf(stream, sizes))).join('\n');
    if (got !== wanted) throw new Error(`cut at ${sizes.slice(0, 3).join()}: ${got}\ninstead of ${wanted}`);
  }
  return whole;
}
