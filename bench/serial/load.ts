/** What every reader of the serial benchmark is given, and what it must have found in it. */

/** With its newline. */
export const LINE_BYTES = 72;
/** Numbers go round: line i holds FIRST + i % NUMBERS. */
const FIRST = 1000;
export const NUMBERS = 1000;

export interface ReaderInput {
  readonly path: string;
  /** Lines before the measuring begins: compilers and caches are busy with them. */
  readonly warmUp: number;
  readonly lines: number;
}

/** Over the lines after the warm-up. The processor time is the reader's own, of all its threads. */
export interface ReaderFigures {
  readonly seconds: number;
  readonly cpuMs: number;
  /** Of the numbers: each line was decoded, once. */
  readonly sum: number;
}

/** All numbers once. */
export function linesText(): string {
  const line = (_: unknown, at: number): string =>
    `{"k":"t","power":498.2,"import":"005779.835","n":${FIRST + at},"pad":"xxxxxxxx"}\n`;
  return Array.from({ length: NUMBERS }, line).join('');
}

export function expectedSum({ warmUp, lines }: Pick<ReaderInput, 'warmUp' | 'lines'>): number {
  let sum = 0;
  for (let at = warmUp; at < warmUp + lines; at += 1) sum += FIRST + (at % NUMBERS);
  return sum;
}
