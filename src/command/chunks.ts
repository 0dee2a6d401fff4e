/**
 * A result that is too large for one response: it goes out in pieces before the final answer, each a response `executing` with
 * `chunk`, and the answer says what they must come to. One piece at a time, so that a slow link is not filled with them.
 */
import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { count, text } from './answers.ts';
import type { RunContext } from './command.ts';

/** Of the content, before base64: with it 43 KiB, which every broker takes. */
const CHUNK_BYTES = 32 * 1024;

/** What the final answer says of the pieces. */
export const chunkedEntries = {
  content_type: text('What the pieces put together are.'),
  bytes: count('How many bytes they come to.'),
  sha256: text('Of all of them, hexadecimal.'),
  chunks: count(
    'How many pieces there were. Each came as a response `executing` with `chunk`: `index` from 0, `of`, `data` (base64) and ' +
      '`sha256` (of the piece, hexadecimal).',
  ),
};

const chunkedSchema = v.object(chunkedEntries);
export type Chunked = v.InferOutput<typeof chunkedSchema>;

export async function sendChunks(
  { progress }: Pick<RunContext, 'progress'>,
  contentType: string,
  content: Buffer,
): Promise<Chunked> {
  const of = Math.ceil(content.length / CHUNK_BYTES);
  for (let index = 0; index < of; index += 1) {
    const piece = content.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
    await progress({ chunk: { index, of, data: piece.toString('base64'), sha256: sha256Of(piece) } });
  }
  return { content_type: contentType, bytes: content.length, sha256: sha256Of(content), chunks: of };
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
