/**
 * The known word nearest to one that was mistyped, for "did you mean" texts. Distance: Damerau-Levenshtein in its
 * restricted form (insert, delete, replace, swap of neighbours), so that `keepAilve` is one step from `keepAlive`.
 */

/** Longer words are not compared: nobody means a key of this length, and the table grows with the square. */
const WORD_LENGTH_MAX = 64;

/** The nearest of `known` within a third of the word's length (one step for words of two), compared without case. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > WORD_LENGTH_MAX) return undefined;
  let best: string | undefined;
  let bestSteps = Math.min(word.length, Math.max(1, Math.floor(word.length / 3)) + 1);
  for (const candidate of known) {
    const steps = distance(word.toLowerCase(), candidate.toLowerCase());
    if (steps >= bestSteps) continue;
    best = candidate;
    bestSteps = steps;
  }
  return best;
}

function distance(left: string, right: string): number {
  let twoBefore: number[] = [];
  let before = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= right.length; column += 1) {
      const same = left[row - 1] === right[column - 1];
      let steps = Math.min(
        at(before, column) + 1,
        at(current, column - 1) + 1,
        at(before, column - 1) + (same ? 0 : 1),
      );
      const swapped = left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
      if (swapped && row > 1 && column > 1) steps = Math.min(steps, at(twoBefore, column - 2) + 1);
      current.push(steps);
    }
    twoBefore = before;
    before = current;
  }
  return at(before, right.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
