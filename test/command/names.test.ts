/** The commands by name: the configuration knows exactly those that there are, and which of them change something. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMMAND_NAMES, DANGEROUS_COMMANDS, LATER_COMMANDS } from '../../src/config/command-names.ts';
import { allCommands } from '../../.ci/command-list.ts';

test('the configuration knows exactly the commands that there are', () => {
  assert.deepEqual(
    allCommands().map(({ name }) => name),
    [...COMMAND_NAMES],
  );
  assert.deepEqual(
    LATER_COMMANDS.filter((name) => COMMAND_NAMES.some((known) => known === name)),
    [],
  );
});

test('what changes something is off unless the configuration turns it on', () => {
  const changing =
    'certificate.csr certificate.install events.replay events.retry events.abandon sensor.restart serial.write ' +
    'schedule.run log.level telemetry.pause telemetry.resume config.set config.confirm config.cancel config.rollback ' +
    'agent.restart host.reboot';
  assert.deepEqual(
    allCommands().flatMap(({ name, changes }) => (changes ? [name] : [])),
    changing.split(' '),
  );
});

test('who signs a command and who runs it agree on which are dangerous', () => {
  for (const { name, changes, dangerous } of allCommands()) {
    assert.equal(dangerous === true, DANGEROUS_COMMANDS.includes(name), name);
    assert.ok(changes || dangerous !== true, name);
  }
});
