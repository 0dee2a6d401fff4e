/**
 * Judges a regular expression of device.json before it ever meets a frame: it must compile, name what it takes, and not
 * be one of those that some frame can hold for seconds (the serial lines share the thread with everything else). The
 * judgement is conservative: only plain groups, classes and quantifiers are allowed, nothing that varies inside something
 * that repeats, and few repeats that can fight over the same characters. The work that is left is a small polynomial
 * of the frame's length, which `REGEX_FRAME_BYTES_MAX` bounds.
 */

export const PATTERN_LENGTH_MAX = 512;
/** Frames that a regex decoder may be given, bytes. */
export const REGEX_FRAME_BYTES_MAX = 1024;
/** Powers of the frame's length that a search may cost beyond the first. With 2, a frame of 1 KiB took 0.6 s on a PC. */
const AMBIGUITY_MAX = 1;

/** A piece of a pattern in reading order. */
interface Piece {
  readonly kind: 'atom' | 'open' | 'close' | 'or' | 'anchor';
  /** Source of an atom or anchor, without its quantifier. */
  readonly source: string;
  readonly min: number;
  readonly max: number;
}

interface Atom {
  readonly characters: readonly boolean[];
  readonly min: number;
  readonly unbounded: boolean;
}

const TOKEN =
  /(?<open>\((?:\?<[A-Za-z_$][\w$]*>|\?:)?)|(?<close>\))|(?<or>\|)|(?<anchor>\^|\$|\\[bB])|(?<atom>\[\^?(?:\\[^]|[^\]\\])*\]|\\x[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\[^]|[^])/y;
const QUANTIFIER = /(?:([*+?])|\{(\d{1,4})(?:(,)(\d{1,4})?)?\})\??/y;
/** Back references, Unicode properties, control escapes. */
const REFUSED_ESCAPE = /^\\(?:[1-9kpPc]|$)/;

/** What is expected instead, or undefined when the pattern is sound. */
export function patternFault(pattern: string): string | undefined {
  try {
    new RegExp(pattern);
  } catch {
    return 'a regular expression that compiles';
  }
  if (groupNames(pattern).length === 0) return 'a regular expression with named groups, (?<name>...)';
  if (/\(\?(?:[=!]|<[=!])/.test(pattern)) return 'a regular expression without look-ahead and look-behind';
  const pieces = piecesOf(pattern);
  if (pieces.some((piece) => piece.kind === 'atom' && REFUSED_ESCAPE.test(piece.source))) {
    return 'a regular expression without back references and \\p, \\P, \\c escapes';
  }
  if (hasNestedRepeat(pieces)) {
    return 'a regular expression with nothing variable (* + ? {n,m} |) inside a repeated group: some frames would take for ever';
  }
  if (ambiguity(pieces) > AMBIGUITY_MAX) {
    return 'a regular expression with fewer repeats that match the same characters; start it with ^ and use classes such as [^,]* in place of .*';
  }
  return undefined;
}

/** Names of the groups, in order. Of a pattern that compiles. */
export function groupNames(pattern: string): readonly string[] {
  const withoutEscapes = pattern.replace(/\\[^]|\[\^?(?:\\[^]|[^\]\\])*\]/g, '_');
  return [...withoutEscapes.matchAll(/\(\?<([A-Za-z_$][\w$]*)>/g)].map((found) => found[1] ?? '');
}

function piecesOf(pattern: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let offset = 0;
  while (offset < pattern.length) {
    TOKEN.lastIndex = offset;
    const token = TOKEN.exec(pattern);
    if (token === null) break;
    offset += token[0].length;
    const kind =
      (['open', 'close', 'or', 'anchor'] as const).find((each) => token.groups?.[each] !== undefined) ?? 'atom';
    QUANTIFIER.lastIndex = offset;
    const quantifier = kind === 'atom' || kind === 'close' ? QUANTIFIER.exec(pattern) : null;
    offset += quantifier?.[0].length ?? 0;
    pieces.push({ kind, source: token[0], ...repeatsOf(quantifier) });
  }
  return pieces;
}

function repeatsOf(quantifier: RegExpExecArray | null): { readonly min: number; readonly max: number } {
  const [, sign, least, comma, most] = quantifier ?? [];
  if (sign !== undefined) return { min: sign === '+' ? 1 : 0, max: sign === '?' ? 1 : Number.POSITIVE_INFINITY };
  if (least === undefined) return { min: 1, max: 1 };
  if (comma === undefined) return { min: Number(least), max: Number(least) };
  return { min: Number(least), max: most === undefined ? Number.POSITIVE_INFINITY : Number(most) };
}

/** True when a group that may repeat holds anything that varies: the seed of exponential search. */
function hasNestedRepeat(pieces: readonly Piece[]): boolean {
  const openAt: number[] = [];
  for (const [index, piece] of pieces.entries()) {
    if (piece.kind === 'open') openAt.push(index);
    if (piece.kind !== 'close') continue;
    const inside = pieces.slice((openAt.pop() ?? 0) + 1, index);
    if (piece.max > 1 && inside.some((each) => each.kind === 'or' || each.min !== each.max)) return true;
  }
  return false;
}

/** How many unbounded repeats can take characters from an earlier one, plus one where the search may start anywhere. */
function ambiguity(pieces: readonly Piece[]): number {
  const atoms = atomsOf(pieces);
  let count = pieces[0]?.source === '^' && !pieces.some((piece) => piece.kind === 'or') ? 0 : 1;
  for (const [index, atom] of atoms.entries()) {
    if (!atom.unbounded) continue;
    const rivals = atoms.slice(0, index).some((earlier, at) => {
      if (!earlier.unbounded || !overlap(earlier, atom)) return false;
      // What must stand between them and is in neither holds them apart: \d+ \d+ is not ambiguous.
      const both = union(earlier, atom);
      return atoms.slice(at + 1, index).every((between) => between.min === 0 || overlap(between, both));
    });
    if (rivals) count += 1;
  }
  return count;
}

/** Atoms in reading order; a repeated group's atoms count as repeated, an optional group's as optional. */
function atomsOf(pieces: readonly Piece[]): readonly Atom[] {
  const atoms: Atom[] = [];
  const startedAt: number[] = [];
  for (const piece of pieces) {
    if (piece.kind === 'open') startedAt.push(atoms.length);
    if (piece.kind === 'atom') {
      atoms.push({
        characters: charactersOf(piece.source),
        min: piece.min,
        unbounded: piece.max === Number.POSITIVE_INFINITY,
      });
    }
    if (piece.kind !== 'close') continue;
    const start = startedAt.pop() ?? 0;
    for (const [index, atom] of atoms.slice(start).entries()) {
      const unbounded = atom.unbounded || piece.max === Number.POSITIVE_INFINITY;
      atoms[start + index] = { ...atom, min: Math.min(atom.min, piece.min), unbounded };
    }
  }
  return atoms;
}

/** Which of the characters U+0000 to U+00FF it matches. */
function charactersOf(source: string): readonly boolean[] {
  const one = new RegExp(`^(?:${source})$`);
  return Array.from({ length: 256 }, (_, code) => one.test(String.fromCharCode(code)));
}

function overlap(left: Pick<Atom, 'characters'>, right: Pick<Atom, 'characters'>): boolean {
  return left.characters.some((matches, code) => matches && right.characters[code] === true);
}

function union(left: Atom, right: Atom): Pick<Atom, 'characters'> {
  return { characters: left.characters.map((matches, code) => matches || right.characters[code] === true) };
}
