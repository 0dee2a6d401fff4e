/** Reads device.json for a sub-command: the parsed configuration, or every problem and the text that tells them. */
import { closeSync, openSync, readSync } from 'node:fs';
import { CONFIG_BYTES_MAX, parseDeviceConfigBytes } from '../config/parse.ts';
import { type Problem, problemText } from '../config/problem.ts';
import type { DeviceConfig } from '../config/schema.ts';
import { reasonOf, systemCodeOf } from '../fault.ts';

export type LoadedConfig =
  | {
      readonly kind: 'valid';
      /** The file's JSON. */
      readonly value: unknown;
      readonly config: DeviceConfig;
    }
  | {
      readonly kind: 'invalid';
      readonly problems: readonly Problem[];
      /** One line a problem, each with its line end. */
      readonly text: string;
    };

export function loadConfig(path: string): LoadedConfig {
  let bytes: Buffer;
  try {
    bytes = readBounded(path);
  } catch (error) {
    const found = systemCodeOf(error) === 'ENOENT' ? 'no such file' : reasonOf(error);
    return invalid(path, [{ pointer: '', found, expected: 'a readable file' }]);
  }
  const result = parseDeviceConfigBytes(bytes);
  if (!result.ok) return invalid(path, result.problems);
  return { kind: 'valid', value: result.value, config: result.config };
}

function invalid(path: string, problems: readonly Problem[]): LoadedConfig {
  return { kind: 'invalid', problems, text: problems.map((problem) => `${problemText(path, problem)}\n`).join('') };
}

/** Up to one byte more than is allowed: a device file or pipe that never ends does not take the memory with it. */
function readBounded(path: string): Buffer {
  const buffer = Buffer.alloc(CONFIG_BYTES_MAX + 1);
  const file = openSync(path, 'r');
  try {
    let length = 0;
    while (length < buffer.length) {
      const count = readSync(file, buffer, length, buffer.length - length, null);
      if (count === 0) break;
      length += count;
    }
    return Buffer.from(buffer.subarray(0, length));
  } finally {
    closeSync(file);
  }
}
