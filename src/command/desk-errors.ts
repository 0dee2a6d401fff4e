/** What the desk itself says in `error.code`, each with its meaning for docs/COMMANDS.md. A command's own codes stand with it. */
export const DESK_ERRORS = {
  'request.too-large': 'The payload is larger than 64 KiB.',
  'request.not-utf8': 'The payload is not UTF-8 text.',
  'request.not-json': 'The payload is not JSON; the message names line and column.',
  'request.not-object': 'The payload is JSON, and no object.',
  'request.unknown-key': 'The request has a member that it can not have.',
  'request.version': '`v` is another version than 1.',
  'request.id': "`id` is not the topic's last level.",
  'request.by': '`by` is not a short text.',
  'request.expires': '`expires` is not a time of RFC 3339.',
  'request.signed': 'Signed requests are not in this version.',
  'args.invalid': 'An argument is missing, unknown, or of another kind; the message names each.',
  'command.unknown': 'This version does not know the command.',
  'command.off': 'The command is off on this device.',
  'command.retained': 'The request was retained: it is never run.',
  'command.id-reused': 'The id was used with another request.',
  'command.rate': 'Too many requests; not stored, so the same id may be tried again.',
  'command.disk': 'It could not be written down, and was not run; the same id may be tried again.',
  'command.ledger-full': 'There is no room for a changing command until older outcomes are seven days old.',
  'command.in-doubt': 'The agent ended while it ran: it may be done, in part or not at all. It is not run again.',
  'command.failed': 'The command failed; the message says how.',
} as const;

export type DeskErrorCode = keyof typeof DESK_ERRORS;
