/** `config.get`, `config.plan`, `config.history`: what the configuration is, what a change would do, and what became of others. */
import * as v from 'valibot';
import type { RemoteConfig } from '../remote/remote-config.ts';
import { count, document, listOf, text, time } from './answers.ts';
import { type Command, CommandFailure, defineCommand } from './command.ts';

export type ConfigView = Pick<RemoteConfig, 'describe' | 'history' | 'plan'>;

const described = v.strictObject({
  revision: count('The revision that runs; 0: device.json as it is, never changed by command.'),
  phase: text('"confirmed", or "probation" while it is on trial.'),
  hash: text('sha256 of the configuration that runs, base64url.'),
  effective: document('device.json with the overlay over it: what runs.'),
  base: document('device.json itself.'),
  overlay: document('The JSON merge patch that commands have put over it.'),
  allow: listOf('Pointers that commands may change.', v.string()),
  pin: listOf('Pointers that they may not, although `allow` names them or something above.', v.string()),
  shadowed: v.exactOptional(
    listOf('Pointers where device.json was edited since, and the overlay holds all the same.', v.string()),
  ),
});

const planned = v.strictObject({
  changed: listOf('Pointers of what would be other than it is.', v.string()),
  confirm: text(
    'Who would have to confirm: "operator" by config.confirm, "local" the device itself, "nobody" if nothing changes.',
  ),
  restarts: listOf('What stops for a moment: "agent", lines and broker connection alike.', v.string()),
  hash: text('sha256 of the configuration that would run, base64url.'),
});

const entry = v.strictObject({
  revision: count('Its number.'),
  command: text('The command that asked for it, or "local".'),
  id: text('The id of that command.'),
  by: v.exactOptional(text('Who asked, in their own words.')),
  at: v.exactOptional(time('When it was settled; absent while the clock was never set.')),
  outcome: text('"confirmed" or "reverted".'),
  why: text('Why it was.'),
  hash: text('sha256 of the configuration that held after it, base64url.'),
});

export function configReadCommands(view: ConfigView): readonly Command[] {
  return [
    defineCommand({
      name: 'config.get',
      changes: false,
      summary: 'The configuration that runs, device.json, and what commands have put over it. Secrets are struck out.',
      args: v.strictObject({}),
      result: described,
      run: () => view.describe(),
    }),
    defineCommand({
      name: 'config.plan',
      changes: false,
      summary:
        'What config.set with this patch would change, who would have to confirm it, or why it would be refused.',
      args: v.strictObject({
        patch: v.pipe(v.looseObject({}), v.description('JSON merge patch (RFC 7396) of keys of device.json.')),
      }),
      result: planned,
      errors: {
        'config.busy': 'The agent is about to start anew on what holds: ask again then.',
        'config.not-allowed': 'device.json does not let commands change this; the message names the places.',
        'config.invalid': 'The configuration would not be valid; the message has every problem with its place.',
      },
      run: async ({ patch }) => {
        const plan = await view.plan(patch);
        if (plan.kind === 'refused') throw new CommandFailure(plan.code, plan.message, 'rejected');
        const { changed, wire, effective } = plan;
        const isSame = changed.length === 0;
        return {
          changed,
          confirm: isSame ? 'nobody' : wire ? 'operator' : 'local',
          restarts: isSame ? [] : ['agent'],
          hash: effective.hash,
        };
      },
    }),
    defineCommand({
      name: 'config.history',
      changes: false,
      summary: 'The last 20 changes of the configuration by command, newest last, and what became of each.',
      args: v.strictObject({}),
      result: v.strictObject({ history: listOf('Newest last.', entry) }),
      run: () => ({ history: view.history }),
    }),
  ];
}
