/** `remote`: which keys may be changed by command. Never itself changed by command; without it nothing is. */
import * as v from 'valibot';
import { section } from './elements.ts';
import { isCovered, pathOf, REMOTE_KEYS } from './remote-keys.ts';

const LIST_EXPECTED = 'a list of at most 64 pointers such as "/broker/urls"';
const ALLOW_EXPECTED = `a pointer to one of ${REMOTE_KEYS.join(', ')}, or below one; nothing else is ever changed by command`;

const pointer = v.pipe(
  v.string(ALLOW_EXPECTED),
  v.maxLength(256, ALLOW_EXPECTED),
  v.check((value) => value.startsWith('/') && isCovered(pathOf(value), REMOTE_KEYS), ALLOW_EXPECTED),
  // A list is replaced whole, so nothing can be allowed or kept within one.
  v.check(
    (value) => !['sensors', 'schedule'].includes(pathOf(value)[0] ?? '') || pathOf(value).length === 1,
    'a pointer to the whole list: a list is replaced whole',
  ),
  v.description('A pointer (RFC 6901) to a key of this file; what is below it is meant too.'),
);

const pointers = (description: string) =>
  v.optional(v.pipe(v.array(pointer, LIST_EXPECTED), v.maxLength(64, LIST_EXPECTED), v.description(description)), []);

export const remoteSchema = section('What may be changed by command (config.set). Without it nothing may.', {
  allow: pointers(
    `Keys that may be changed: each one of ${REMOTE_KEYS.map((key) => `\`${key}\``).join(', ')}, or below one. ` +
      'A list is replaced whole: of `/sensors` and `/schedule` nothing below can be named.',
  ),
  pin: pointers('Keys that may not, although `allow` names them or something above.'),
});
