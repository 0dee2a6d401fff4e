/** `fieldpost decode`: bytes on stdin, readings on stdout, and on stderr at the end what was no reading. */
import { parseArgs } from 'node:util';
import { decodedText } from './decoded-text.ts';
import { EXIT } from './exit.ts';
import { FramePipe } from './frame-pipe.ts';
import { print } from './print.ts';
import { CHOICE_OPTIONS, chosenSensor } from './sensor-choice.ts';

export async function decodeCommand(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { ...CHOICE_OPTIONS, frames: { type: 'boolean', default: false } },
  });
  const pipe = new FramePipe(chosenSensor(values));
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    await print(decodedText(pipe.push(chunk), values.frames));
  }
  await print(decodedText(pipe.end(), values.frames));
  process.stderr.write(`${pipe.summary}\n`);
  return pipe.isFruitless ? EXIT.failed : EXIT.done;
}
