/** `ping`: is anybody there, and what time is it there. The shortest way round. */
import * as v from 'valibot';
import type { Boot, Clock } from '../ports.ts';
import { clockQuality, count, text, time } from './answers.ts';
import { type Command, defineCommand } from './command.ts';

export function pingCommand(clock: Clock, boot: Boot): Command {
  return defineCommand({
    name: 'ping',
    changes: false,
    summary: "Answers with the device's time.",
    args: v.strictObject({}),
    result: v.strictObject({
      time: time("The device's wall time."),
      clock: clockQuality,
      boot: text('Names this boot of the machine.'),
      uptime_ms: count('Milliseconds since the machine started.'),
    }),
    run: () => ({
      time: new Date(clock.wallMs()).toISOString(),
      clock: clock.quality(),
      boot: boot.id,
      uptime_ms: Math.round(boot.uptimeMs()),
    }),
  });
}
