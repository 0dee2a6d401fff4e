/** A seeded source of chance (mulberry32), so that a run with faults at random moments can be run again from its seed. */
export interface Random {
  readonly seed: number;
  /** Uniform in [0, 1). */
  unit(): number;
  /** Uniform in [low, high). */
  between(low: number, high: number): number;
  /** Uniform whole number in [low, high]. */
  whole(low: number, high: number): number;
}

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const unit = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const between = (low: number, high: number): number => low + unit() * (high - low);
  return { seed: seed >>> 0, unit, between, whole: (low, high) => Math.floor(between(low, high + 1)) };
}

/** A seed that nobody chose; print it, so that the run can be repeated. */
export function freshSeed(): number {
  return Math.floor(Math.random() * 4_294_967_296);
}
