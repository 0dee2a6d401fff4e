/** Takes the numbers of decoded lines in a Node reader, and ends the process with its figures after the last. */
import type { ReaderFigures, ReaderInput } from './load.ts';

export const input = JSON.parse(process.argv[2] ?? '') as ReaderInput;

let count = 0;
let sum = 0;
let startedMs = 0;
let used = process.cpuUsage();

export function ready(): void {
  process.stdout.write('ready\n');
}

export function take(number: number): void {
  count += 1;
  if (count > input.warmUp) sum += number;
  if (count === input.warmUp) {
    startedMs = performance.now();
    used = process.cpuUsage();
  }
  if (count !== input.warmUp + input.lines) return;
  const { user, system } = process.cpuUsage(used);
  const seconds = (performance.now() - startedMs) / 1000;
  const figures: ReaderFigures = { seconds, cpuMs: (user + system) / 1000, sum };
  process.stdout.write(`${JSON.stringify(figures)}\n`, () => process.exit());
}
