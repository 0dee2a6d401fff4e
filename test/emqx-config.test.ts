/**
 * The shipped EMQX settings and access rules, without an EMQX: that each says why, that the settings agree with those
 * for Mosquitto, and that the rules, read as EMQX reads them, decide as the Mosquitto ones do in
 * mosquitto-config.test.ts.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import * as v from 'valibot';
import { parseDeviceConfig } from '../src/config/parse.ts';

const ROOT = resolve(import.meta.dirname, '..');
const shipped = (name: string): Promise<string> => readFile(join(ROOT, name), 'utf8');

const permission = v.picklist(['allow', 'deny']);
const who = v.union([
  v.literal('all'),
  v.strictTuple([v.literal('username'), v.string()]),
  v.strictTuple([v.literal('username'), v.strictTuple([v.literal('re'), v.string()])]),
]);
const action = v.picklist(['publish', 'subscribe', 'all']);
const rule = v.union([
  v.strictTuple([permission, v.literal('all')]),
  v.strictTuple([permission, who, action, v.array(v.string())]),
]);
type Rule = v.InferOutput<typeof rule>;
type Action = 'publish' | 'subscribe';

/** Erlang terms of tuples, lists, atoms and plain strings. Anything else throws. */
function readRules(text: string): readonly Rule[] {
  const json = text.replaceAll(/^%.*$/gm, '').replaceAll(/"[^"\\]*"|[a-z]+|[{}.]|[^\s[\],]/g, (token) => {
    if (token.startsWith('"')) return token;
    if (/^[a-z]/.test(token)) return `"${token}"`;
    const as = { '{': '[', '}': ']', '.': ',' }[token];
    assert.ok(as, `unexpected ${token}`);
    return as;
  });
  return v.parse(v.array(rule), JSON.parse(`[${json.trimEnd().replace(/,$/, '')}]`));
}

function fits(person: v.InferOutput<typeof who>, user: string): boolean {
  if (person === 'all') return true;
  const [, name] = person;
  return typeof name === 'string' ? name === user : new RegExp(name[1]).test(user);
}

/** A rule's filter against a topic or, level by level as EMQX does, against the filter of a subscription. */
function covers(filter: string, topic: string): boolean {
  const have = topic.split('/');
  const want = filter.split('/');
  const end = want.indexOf('#');
  const levels = end === -1 ? want : want.slice(0, end);
  if (end === -1 ? have.length !== levels.length : have.length < levels.length) return false;
  return levels.every((level, index) => level === '+' || level === have[index]);
}

function allows(rules: readonly Rule[], user: string, what: Action, topic: string): boolean {
  for (const [verdict, person, act = 'all', filters = ['#']] of rules) {
    if (!fits(person, user) || (act !== 'all' && act !== what)) continue;
    if (filters.some((filter) => covers(filter.replaceAll('${username}', user), topic))) return verdict === 'allow';
  }
  return false;
}

/** `name {`, `name = value` and `}`, one a line, as the shipped file is written; full key to value, unquoted. */
function readSettings(text: string): ReadonlyMap<string, string> {
  const settings = new Map<string, string>();
  const blocks: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const place = `fieldpost.conf:${index + 1}: ${line}`;
    const [, name, mark, value] = /^ *(?:([\w.]+) (\{|=)(?: (.+))?)$/.exec(line) ?? [];
    if (line.trim() === '}') {
      assert.ok(blocks.pop() !== undefined, `${place}: nothing to close`);
    } else if (name !== undefined && mark === '{') {
      assert.equal(value, undefined, place);
      blocks.push(name);
    } else if (name !== undefined && value !== undefined) {
      const key = [...blocks, name].join('.');
      assert.ok(!settings.has(key), `${place}: set twice`);
      settings.set(key, value.replace(/^"(.*)"$/, '$1'));
    } else {
      assert.match(line, /^ *(#.*)?$/, place);
    }
  }
  assert.deepEqual(blocks, [], 'blocks left open');
  return settings;
}

test('every line of the EMQX settings and rules has its reason above it', async () => {
  const settings = (await shipped('config/emqx/fieldpost.conf')).split('\n');
  for (const [index, line] of settings.entries()) {
    // A comment has a space behind its mark; without one it is a setting that is turned off, and needs a reason too.
    if (/^ *(#|# .*|[\w.]+ \{|\})?$/.test(line)) continue;
    assert.match(settings[index - 1] ?? '', /^ *# /, `fieldpost.conf:${index + 1}: ${line}`);
  }
  const rules = (await shipped('config/emqx/acl.conf')).split('\n');
  for (const [index, line] of rules.entries()) {
    if (line === '' || line.startsWith('%% ')) continue;
    assert.match(rules[index - 1] ?? '', /^%% [^{]/, `acl.conf:${index + 1}: ${line}`);
  }
});

test('the EMQX settings are those of Mosquitto in EMQX words', async () => {
  const emqx = readSettings(await shipped('config/emqx/fieldpost.conf'));
  const mosquitto = new Map(
    (await shipped('config/mosquitto/fieldpost.conf'))
      .split('\n')
      .map((line) => /^(\w+) (.+)$/.exec(line))
      .flatMap((match) => (match?.[1] && match[2] ? [[match[1], match[2]] as const] : [])),
  );
  const expected = {
    'listeners.ssl.default.bind': mosquitto.get('listener'),
    'listeners.ssl.default.ssl_options.cacertfile': mosquitto.get('cafile'),
    'listeners.ssl.default.ssl_options.certfile': mosquitto.get('certfile'),
    'listeners.ssl.default.ssl_options.keyfile': mosquitto.get('keyfile'),
    'mqtt.max_packet_size': `${Number(mosquitto.get('max_packet_size')) / 1024}KB`,
    'mqtt.max_inflight': mosquitto.get('max_inflight_messages'),
    'mqtt.max_mqueue_len': mosquitto.get('max_queued_messages'),
    'mqtt.session_expiry_interval': mosquitto.get('persistent_client_expiration'),
    'durable_sessions.message_retention_period': mosquitto.get('persistent_client_expiration'),
    'mqtt.await_rel_timeout': mosquitto.get('persistent_client_expiration'),
    // What Mosquitto has by another word, or needs no word for.
    'listeners.ssl.default.ssl_options.versions': '["tlsv1.3", "tlsv1.2"]',
    'listeners.ssl.default.ssl_options.verify': 'verify_peer',
    'listeners.ssl.default.ssl_options.fail_if_no_peer_cert': 'true',
    'listeners.ssl.default.enable_authn': 'quick_deny_anonymous',
    'listeners.tcp.default.enable': 'false',
    'listeners.ws.default.enable': 'false',
    'listeners.wss.default.enable': 'false',
    'authorization.sources': '[{ type = file, enable = true, path = "/etc/fieldpost/acl.conf" }]',
    'authorization.no_match': 'deny',
    'authorization.deny_action': 'ignore',
    'mqtt.peer_cert_as_username': 'cn',
    'mqtt.peer_cert_as_clientid': 'cn',
    'mqtt.max_qos_allowed': '2',
    'mqtt.retain_available': 'true',
    'durable_sessions.enable': 'true',
    'retainer.enable': 'true',
    'retainer.backend.type': 'built_in_database',
    'retainer.backend.storage_type': 'disc',
  };
  for (const [key, value] of Object.entries(expected)) assert.equal(emqx.get(key), value, key);
  const parsed = parseDeviceConfig(await shipped('device.json'));
  assert.ok(parsed.ok);
  for (const bound of ['mqtt.max_inflight', 'mqtt.max_awaiting_rel']) {
    assert.ok(Number(emqx.get(bound)) > parsed.config.broker.window, `${bound} is not above the window`);
  }
});

test('the EMQX rules allow and refuse what the Mosquitto ones do', async () => {
  const text = await shipped('config/emqx/acl.conf');
  // The examples of a consumer and an operator are comments as shipped; here they are put to work.
  const rules = readRules(text.replaceAll(/^%% (\{.*\}\.)$/gm, '$1'));
  const table: ReadonlyArray<readonly [boolean, string, Action, string]> = [
    [true, 'pump-42', 'publish', 'fp/v1/pump-42/up/status'],
    [true, 'pump-42', 'publish', 'fp/v1/pump-42/up/event/sale'],
    [false, 'pump-42', 'publish', 'fp/v1/pump-43/up/status'],
    [false, 'pump-42', 'publish', 'fp/v1/pump-42/down/receipt'],
    [false, 'pump-42', 'publish', 'fp/v1/pump-43/down/command/host.reboot/1'],
    [false, 'pump-42', 'publish', 'fp/v2/pump-42/up/status'],
    [false, 'pump-42', 'publish', 'other'],
    [true, 'pump-43', 'publish', 'fp/v1/pump-43/up/status'],
    [true, 'pump-42', 'subscribe', 'fp/v1/pump-42/down/#'],
    [true, 'pump-42', 'subscribe', 'fp/v1/_group/north/down/#'],
    [false, 'pump-42', 'publish', 'fp/v1/_group/north/down/command/ping/1'],
    [false, 'collector', 'publish', 'fp/v1/_group/north/down/command/ping/1'],
    [true, 'operator', 'publish', 'fp/v1/_group/north/down/command/ping/1'],
    // Mosquitto grants these and delivers nothing; EMQX refuses them.
    [false, 'pump-42', 'subscribe', 'fp/v1/+/+/#'],
    [false, 'pump-42', 'subscribe', 'fp/v1/+/down/#'],
    [false, 'pump-42', 'subscribe', 'fp/v1/pump-43/down/#'],
    [false, 'pump-42', 'subscribe', '#'],
    [true, 'collector', 'subscribe', 'fp/v1/+/up/#'],
    [true, 'collector', 'publish', 'fp/v1/pump-42/down/receipt'],
    [false, 'collector', 'publish', 'fp/v1/pump-42/down/command/config.get/1'],
    [false, 'collector', 'publish', 'fp/v1/pump-42/up/event/sale'],
    [false, 'operator', 'publish', 'fp/v1/pump-42/down/receipt'],
    [true, 'operator', 'publish', 'fp/v1/pump-42/down/command/config.get/1'],
    [true, 'operator', 'publish', 'fp/v1/pump-43/down/command/config.get/1'],
    [true, 'operator', 'subscribe', 'fp/v1/+/up/status'],
    [true, 'operator', 'subscribe', 'fp/v1/+/up/info'],
    [true, 'operator', 'subscribe', 'fp/v1/+/up/response/#'],
    [false, 'operator', 'subscribe', 'fp/v1/+/up/#'],
    // Names that no authority should sign.
    [false, '+', 'publish', 'fp/v1/pump-42/up/status'],
    [false, '+', 'subscribe', 'fp/v1/+/down/#'],
    [false, 'pump-42/up', 'publish', 'fp/v1/pump-42/up/up/status'],
  ];
  for (const [expected, user, what, topic] of table) {
    assert.equal(allows(rules, user, what, topic), expected, `${user} ${what} ${topic}`);
  }
  assert.deepEqual(rules.at(-1), ['deny', 'all']);
  const asShipped = readRules(text);
  assert.equal(asShipped.length, 5);
  assert.equal(allows(asShipped, 'collector', 'subscribe', 'fp/v1/+/up/#'), false);
});
