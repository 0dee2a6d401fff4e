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
  sensor(sensor: string): string;
  telemetry(sensor: string): string;
  event(stream: string): string;
  response(command: string, id: string): string;
  /** Whether a response topic that a requester names is inside our own tree: an answer never goes anywhere else. */
  isResponse(topic: string | undefined): topic is string;
  /** The part of one of our topics below the root, for status and log. */
  below(topic: string): string;
  /** The command and id of an inbound command topic; undefined for any other topic. */
  parseCommand(topic: string): { readonly command: string; readonly id: string } | undefined;
}

/** Topics of one device. `prefix` has no leading or trailing slash; the default is `fp/v1`. */
export function topicsOf(prefix: string, device: string): Topics {
  const root = `${prefix}/${device}`;
  const commandStart = `${root}/down/command/`;
  return {
    device,
    root,
    status: `${root}/up/status`,
    info: `${root}/up/info`,
    receipt: `${root}/down/receipt`,
    log: `${root}/up/log`,
    downAll: `${root}/down/#`,
    sensor: (sensor) => `${root}/up/sensor/${sensor}`,
    telemetry: (sensor) => `${root}/up/telemetry/${sensor}`,
    event: (stream) => `${root}/up/event/${stream}`,
    response: (command, id) => `${root}/up/response/${command}/${id}`,
    isResponse: (topic): topic is string =>
      topic !== undefined && topic.startsWith(`${root}/up/response/`) && topic.length <= 512 && !/[#+\0]/.test(topic),
    below: (topic) => (topic.startsWith(`${root}/`) ? topic.slice(root.length + 1) : topic),
    parseCommand: (topic) => {
      if (!topic.startsWith(commandStart)) return undefined;
      const levels = topic.slice(commandStart.length).split('/');
      const [command, id] = levels;
      if (levels.length !== 2 || !command || !id) return undefined;
      return { command, id };
    },
  };
}
