/**
 * The only place where topic strings are made. Direction comes before meaning (`up/`, `down/`), so that one broker rule
 * each way is enough: write `<root>/up/#`, read `<root>/down/#`.
 */
export interface Topics {
  readonly device: string;
  /** `fp/v1/<device>` */
  readonly root: string;
  readonly status: string;
  readonly info: string;
  readonly receipt: string;
  readonly log: string;
  /** Subscription filter for everything that comes down to this device. */
  readonly downAll: string;
  /** The same for what comes to the groups that it is in. */
  readonly groups: readonly { readonly group: string; readonly filter: string }[];
  sensor(sensor: string): string;
  telemetry(sensor: string): string;
  event(stream: string): string;
  response(command: string, id: string): string;
  /**
   * Whether a response topic that a requester names is below our own `up/response/`, or below the prefix that the
   * configuration allows (an answer never goes anywhere else), and is one that every broker takes.
   */
  isResponse(topic: string | undefined): topic is string;
  /** The part of one of our topics below the root, for status and log. */
  below(topic: string): string;
  /** Where a command for this device is published. */
  command(command: string, id: string): string;
  /** The command and id of an inbound command topic, and the group it came to; undefined for any other topic. */
  parseCommand(topic: string): InboundCommand | undefined;
}

export interface InboundCommand {
  readonly command: string;
  readonly id: string;
  readonly group?: string;
}

export interface TopicsOptions {
  readonly groups?: readonly string[] | undefined;
  /** Levels below which a response topic may lie, beside our own. */
  readonly responsePrefix?: string | undefined;
}

/** In place of a device: what follows is a group. */
const GROUP_LEVEL = '_group';
const RESPONSE_LENGTH_MAX = 512;
/**
 * What a requester may put below: at most 16 levels of 1 to 64 printable ASCII characters without wildcards. Over some topics a
 * broker ends the link: Mosquitto 2.0.11 above 201 levels and over characters that UTF-8 has no use for, such as U+FFFE (both
 * seen); EMQX above `mqtt.max_topic_levels` (128, DISCONNECT 0x90). The longest prefix that device.json may have has 64 levels.
 */
const RESPONSE_REST = /^(?:[!"$-*,-.0-~]{1,64}\/){0,15}[!"$-*,-.0-~]{1,64}$/;

/** Topics of one device. `prefix` has no leading or trailing slash; the default is `fp/v1`. */
export function topicsOf(prefix: string, device: string, options: TopicsOptions = {}): Topics {
  const root = `${prefix}/${device}`;
  const { groups = [], responsePrefix } = options;
  const responseStarts = [`${root}/up/response/`, ...(responsePrefix === undefined ? [] : [`${responsePrefix}/`])];
  return {
    device,
    root,
    status: `${root}/up/status`,
    info: `${root}/up/info`,
    receipt: `${root}/down/receipt`,
    log: `${root}/up/log`,
    downAll: `${root}/down/#`,
    groups: groups.map((group) => ({ group, filter: `${groupRoot(prefix, group)}/down/#` })),
    sensor: (sensor) => `${root}/up/sensor/${sensor}`,
    telemetry: (sensor) => `${root}/up/telemetry/${sensor}`,
    event: (stream) => `${root}/up/event/${stream}`,
    response: (command, id) => `${root}/up/response/${command}/${id}`,
    isResponse: (topic): topic is string =>
      topic !== undefined &&
      topic.length <= RESPONSE_LENGTH_MAX &&
      responseStarts.some((start) => topic.startsWith(start) && RESPONSE_REST.test(topic.slice(start.length))),
    below: (topic) => (topic.startsWith(`${root}/`) ? topic.slice(root.length + 1) : topic),
    command: (command, id) => commandTopic(root, command, id),
    parseCommand: (topic) => {
      const own = commandBelow(root, topic);
      if (own !== undefined) return own;
      for (const group of groups) {
        const found = commandBelow(groupRoot(prefix, group), topic);
        if (found !== undefined) return { ...found, group };
      }
      return undefined;
    },
  };
}

/** Where a command for all devices of a group is published; each answers on a topic of its own. */
export function groupCommandTopic(prefix: string, group: string, command: string, id: string): string {
  return commandTopic(groupRoot(prefix, group), command, id);
}

/** `device` may be `+`: the answers of all. */
export function responseFilter(prefix: string, device: string, command: string, id: string): string {
  return `${prefix}/${device}/up/response/${command}/${id}`;
}

function groupRoot(prefix: string, group: string): string {
  return `${prefix}/${GROUP_LEVEL}/${group}`;
}

function commandTopic(root: string, command: string, id: string): string {
  return `${root}/down/command/${command}/${id}`;
}

function commandBelow(root: string, topic: string): InboundCommand | undefined {
  const start = `${root}/down/command/`;
  if (!topic.startsWith(start)) return undefined;
  const levels = topic.slice(start.length).split('/');
  const [command, id] = levels;
  return levels.length === 2 && command && id ? { command, id } : undefined;
}
