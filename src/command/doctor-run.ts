/**
 * `doctor.run`: what `fieldpost doctor` would find, as far as it can be found from inside the agent without disturbing it:
 * no second MQTT session, no line opened, no ledger read. One look at a time; whoever asks meanwhile gets the same.
 */
import * as v from 'valibot';
import type { DoctorPart } from '../ports.ts';
import { listOf, text } from './answers.ts';
import { type Command, defineCommand } from './command.ts';

export function doctorRunCommand(doctor: () => Promise<readonly DoctorPart[]>): Command {
  let running: Promise<readonly DoctorPart[]> | undefined;
  return defineCommand({
    name: 'doctor.run',
    changes: false,
    summary: 'Looks at configuration, certificates, clock, ports, disk and the way to the broker, and says what to do.',
    args: v.strictObject({}),
    result: v.strictObject({
      ok: v.pipe(v.boolean(), v.description('Nothing failed.')),
      checks: listOf(
        'In the order of the data path.',
        v.strictObject({
          part: text('What was looked at: `configuration`, `clock`, `sensor <id>`, `disk`, `broker <url>`, `service`.'),
          name: text('The check.'),
          state: v.pipe(v.picklist(['ok', 'warning', 'failed', 'skipped']), v.description('What came of it.')),
          found: text('What was seen; of a skipped one, why it was skipped.'),
          todo: v.optional(text('What to do.')),
        }),
      ),
    }),
    run: async () => {
      running ??= doctor().finally(() => {
        running = undefined;
      });
      return doctorDocument(await running);
    },
  });
}

export function doctorDocument(parts: readonly DoctorPart[]): Readonly<Record<string, unknown>> {
  const checks = parts.flatMap(({ part, findings }) => findings.map((finding) => ({ part, ...finding })));
  return { ok: checks.every(({ state }) => state !== 'failed'), checks };
}
