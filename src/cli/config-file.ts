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
      /** The system did not give the file, for a reason that may be gone at the next try. */
      readonly isPassing: boolean;
    };

/** Reasons of the system that stay until a person does something. */
const LASTING = ['ENOENT', 'ENOTDIR', 'EISDIR', 'EACCES', 'EPERM', 'ELOOP', 'ENAMETOOLONG'];

export function loadConfig(path: string): LoadedConfig {
  let bytes: Buffer;
  try {
    bytes = readBounded(path);
  } catch (error) {
    const code = systemCodeOf(error);
    const found = code === 'ENOENT' ? 'no such file' : reasonOf(error);
    const isPassing = code !== undefined && !LASTING.includes(code);
    return invalid(path, [{ pointer: '', found, expected: 'a readable file' }], isPassing);
  }
  const result = parseDeviceConfigBytes(bytes);
  if (!result.ok) return invalid(path, result.problems);
  return { kind: 'valid', value: result.value, config: result.config };
}

function invalid(path: string, problems: readonly Problem[], isPassing = false): LoadedConfig {
  const text = problems.map((problem) => `${problemText(path, problem)}\n`).join('');
  return { kind: 'invalid', problems, text, isPassing };
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
