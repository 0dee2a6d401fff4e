/**
 * The schema of device.json, whole. From this one place come the validation, the defaults, the types, and
 * config/device.schema.json. Parsed, every duration is milliseconds and every size bytes, under the key's own name.
 */
import * as v from 'valibot';
import { brokerSchema } from './broker-schema.ts';
import { choice, duration, name, path, section } from './elements.ts';
import { commandsSchema, hostSchema, scheduleSchema, signersSchema } from './host-schema.ts';
import { remoteSchema } from './remote-schema.ts';
import { ledgerSchema } from './ledger-schema.ts';
import { sensorSchema } from './sensor-schema.ts';

const PREFIX_EXPECTED = 'topic levels such as "fp/v1": 1 to 128 characters without + # $, white space, or empty levels';
/**
 * Printable characters other than + # $ and white space, in levels that are not empty (MQTT 5, 4.7): at most 64 levels by their
 * length, where EMQX takes 128. No noncharacters, such as U+FFFE: Mosquitto ends the link over them (2.0.11, DISCONNECT 0x81).
 */
const PREFIX_PATTERN =
  /^(?!.*(?:[\ufdd0-\ufdef\ufffe\uffff]|[\ud800-\udbff][\udffe\udfff]))[!"%-*,-.0-~\u00a1-\uffff]+(?:\/[!"%-*,-.0-~\u00a1-\uffff]+)*$/;
const GROUPS_EXPECTED = 'a list of at most 16 names, each once';
const SENSORS_EXPECTED = 'a list of at most 64 sensors';

export const deviceSchema = section('Configuration of a fieldpost device.', {
  $schema: v.exactOptional(v.pipe(v.string('a text'), v.description('Where editors find the schema.'))),
  device: section('The device.', {
    id: name("Client identifier, and the common name of the device's certificate."),
    groups: v.optional(
      v.pipe(
        v.array(name('Name of a group.'), GROUPS_EXPECTED),
        v.maxLength(16, GROUPS_EXPECTED),
        v.check((groups) => new Set(groups).size === groups.length, GROUPS_EXPECTED),
        v.description('Groups that it is in: commands that change nothing can be asked of all of a group. At most 16.'),
      ),
      [],
    ),
    groupSpread: v.optional(
      duration('Time by chance, up to this, before a command to a group is taken.', 0, 300_000),
      '10s',
    ),
  }),
  topics: v.optional(
    section('Topics.', {
      prefix: v.optional(
        v.pipe(
          v.string(PREFIX_EXPECTED),
          v.maxLength(128, PREFIX_EXPECTED),
          v.regex(PREFIX_PATTERN, PREFIX_EXPECTED),
          v.description('Levels before the device in every topic. The access rules of the broker name them too.'),
        ),
        'fp/v1',
      ),
      responsePrefix: v.exactOptional(
        v.pipe(
          v.string(PREFIX_EXPECTED),
          v.maxLength(128, PREFIX_EXPECTED),
          v.regex(PREFIX_PATTERN, PREFIX_EXPECTED),
          v.description(
            "Levels below which a request's MQTT 5 Response Topic may lie, beside the device's own up/response.",
          ),
        ),
      ),
    }),
    {},
  ),
  broker: brokerSchema,
  ledger: ledgerSchema,
  sensors: v.optional(
    v.pipe(
      v.array(sensorSchema, SENSORS_EXPECTED),
      v.maxLength(64, SENSORS_EXPECTED),
      v.description('The sensors. At most 64.'),
    ),
    [],
  ),
  host: v.exactOptional(hostSchema),
  schedule: v.optional(scheduleSchema, []),
  commands: v.optional(commandsSchema, {}),
  signers: v.exactOptional(signersSchema),
  remote: v.optional(remoteSchema, {}),
  state: v.exactOptional(
    section("The agent's small documents.", {
      dir: v.exactOptional(path('Directory of small state files. Default: `state` beside ledger.dir.')),
    }),
  ),
  log: v.optional(
    section('Logging.', {
      level: v.optional(choice('Least serious level that is logged.', ['error', 'warn', 'info', 'debug']), 'info'),
    }),
    {},
  ),
});

/** Every field readonly, all the way down. */
export type DeepReadonly<Value> = Value extends readonly (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : Value extends object
    ? { readonly [Key in keyof Value]: DeepReadonly<Value[Key]> }
    : Value;

/**
 * device.json, parsed, with its defaults. Durations (`broker.keepAlive`, `sessionExpiry`, `willDelay`, `heartbeat`,
 * `connectTimeout`, `ledger.retain`, those of `sensors`, `host.every`) are milliseconds; sizes (`ledger.maxBytes`, `segmentBytes`) are bytes.
 */
export type DeviceConfig = DeepReadonly<v.InferOutput<typeof deviceSchema>>;
