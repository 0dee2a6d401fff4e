/**
 * Whether a figure grows with the work done: a straight line through its samples by least squares, and how sure its slope
 * is. Neighbouring samples of a process's memory are alike (a collection comes every so often), which would make a slope
 * look surer than it is, so the line goes through the means of a few blocks. Pure arithmetic, so that its own test can show
 * that it finds a leak and finds none where there is none.
 */

/** Blocks that the samples are cut into. */
const BLOCKS = 20;
/** Student's t for 95 % both ways, BLOCKS - 2 degrees of freedom. */
const T_95 = 2.101;

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Slope {
  /** y for each x. NaN: too few samples. */
  readonly slope: number;
  /** 95 % of such intervals hold the true slope. */
  readonly low: number;
  readonly high: number;
}

export type Verdict = 'met' | 'missed' | 'not told';

export function fitSlope(samples: readonly Point[]): Slope {
  const points = blockMeans(samples);
  if (points.length < BLOCKS) return { slope: Number.NaN, low: Number.NaN, high: Number.NaN };
  const meanX = mean(points.map(({ x }) => x));
  const meanY = mean(points.map(({ y }) => y));
  const spread = sum(points.map(({ x }) => (x - meanX) ** 2));
  if (spread === 0) return { slope: Number.NaN, low: Number.NaN, high: Number.NaN };
  const slope = sum(points.map(({ x, y }) => (x - meanX) * (y - meanY))) / spread;
  const left = sum(points.map(({ x, y }) => (y - meanY - slope * (x - meanX)) ** 2));
  const error = Math.sqrt(left / (points.length - 2) / spread) * T_95;
  return { slope, low: slope - error, high: slope + error };
}

/**
 * `met`: growth beyond `bound` is ruled out. `missed`: growth is sure, and beyond the bound. Else the run was too short, or
 * the machine too busy, to tell the two apart.
 */
export function judgeSlope({ slope, low, high }: Slope, bound: number): Verdict {
  if (high <= bound) return 'met';
  return low > 0 && slope > bound ? 'missed' : 'not told';
}

function blockMeans(samples: readonly Point[]): Point[] {
  if (samples.length < BLOCKS) return [];
  return Array.from({ length: BLOCKS }, (_, at) => {
    const block = samples.slice(
      Math.floor((at * samples.length) / BLOCKS),
      Math.floor(((at + 1) * samples.length) / BLOCKS),
    );
    return { x: mean(block.map(({ x }) => x)), y: mean(block.map(({ y }) => y)) };
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
