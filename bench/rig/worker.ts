/**
 * A part of a benchmark that runs as a process of its own, so that its memory and processor time are its own: bundled
 * into one file like the agent, started by node with given flags and nothing of this process's environment. It gets one
 * JSON argument, and the last line it prints is its result.
 */
import { join } from 'node:path';
import { build } from 'esbuild';
import type { Child } from '../../src/workbench/child.ts';
import { Child as Process, endText } from '../../src/workbench/child.ts';
import { within } from '../../src/workbench/wait.ts';
import type { Undo } from '../../src/workbench/undo.ts';
import type { Flags } from './unit.ts';

export const PLAIN: Flags = { environment: [], flags: [] };

/** Bundles `entry` into `directory`; resolves with the file. */
export async function bundle(entry: string, directory: string, name: string): Promise<string> {
  const outfile = join(directory, `${name}.mjs`);
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
    define: { FIELDPOST_VERSION: '"0.0.0"' },
    // As the shipped bundle has it: node's own streams, and require() for CommonJS packages.
    alias: { 'readable-stream': 'node:stream' },
    banner: {
      js: `import { createRequire as nodeCreateRequire } from 'node:module';\nconst require = nodeCreateRequire(import.meta.url);`,
    },
  });
  return outfile;
}

export interface WorkerOptions {
  readonly file: string;
  readonly input: unknown;
  readonly start: Flags;
  readonly deadlineMs: number;
  readonly undo: Undo;
}

/** Resolves with what the worker printed last; rejects with its last words when it failed. */
export async function runWorker<Result>(options: WorkerOptions): Promise<Result> {
  const { file, input, start, deadlineMs, undo } = options;
  const path = `PATH=${process.env['PATH'] ?? '/usr/bin:/bin'}`;
  const node = [process.execPath, ...start.flags, file, JSON.stringify(input)];
  return runProgram<Result>('env', ['-i', path, ...start.environment, ...node], deadlineMs, undo);
}

export async function runProgram<Result>(
  command: string,
  args: readonly string[],
  deadlineMs: number,
  undo: Undo,
): Promise<Result> {
  const child: Child = new Process({ command, args });
  undo.add(() => child.kill9());
  if (!(await within(child.exited, deadlineMs))) await child.kill9();
  const ended = await child.exited;
  const said = child.outLines.at(-1);
  if (ended.code !== 0 || said === undefined) {
    throw new Error(`${command} ${args.at(-2)}: ended with ${endText(ended)}; last: ${child.lastWords()}`);
  }
  return JSON.parse(said) as Result;
}
