/**
 * Answers commands that this version does not know, so that an operator's tool gets a clear no instead of silence.
 * Pure: an inbound message in, at most one response out.
 */
import type { Topics } from '../broker/topics.ts';

export interface Response {
  readonly topic: string;
  readonly payload: Buffer;
}

/** The id comes from outside and becomes a level of our own topic. */
const ID = /^[A-Za-z0-9._-]{1,64}$/;

export function refuseCommand(topics: Topics, topic: string, retained: boolean): Response | undefined {
  const request = topics.parseCommand(topic);
  if (request === undefined || !ID.test(request.id) || !ID.test(request.command)) return undefined;
  const { id, command } = request;
  const error = retained
    ? { code: 'command.retained', message: 'a retained command is never run: publish it without retain' }
    : { code: 'command.unknown', message: `this version does not know the command ${command}` };
  const answer = { v: 1, id, command, status: 'rejected', error, repeated: false };
  return { topic: topics.response(command, id), payload: Buffer.from(JSON.stringify(answer), 'utf8') };
}
