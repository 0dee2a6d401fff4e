/**
 * JSON whose numbers keep their exact text: `1.10` stays "1.10" and a twenty digit meter reading loses nothing. A number
 * comes out as an object of a class of its own whose `String()` is its text; objects of the text have the plain prototype,
 * so neither can be taken for the other.
 */
import { parse } from 'lossless-json';

/** Throws SyntaxError when the text is not JSON, or names a key twice with two values. */
export function parseJson(text: string): unknown {
  return parse(text);
}
