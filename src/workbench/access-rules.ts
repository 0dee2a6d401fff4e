/**
 * Who may do what on the workbench's brokers (DESIGN section 3): a device writes below its own `up/` and reads below its
 * own `down/` and that of the groups; a consumer reads every `up/` and writes receipts; an operator writes commands and reads status and
 * responses. The same rules as a predicate for the embedded broker and
 * as an acl_file for Mosquitto. Who somebody is, is the common name of the client certificate.
 */
export interface AccessRules {
  /** First levels of every topic, such as `fp/v1`. */
  readonly prefix: string;
  /** Common names that are consumers; every other one is a device. */
  readonly consumers: readonly string[];
  /** Common names that are operators. Mosquitto only. */
  readonly operators?: readonly string[];
}

export function mayPublish(rules: AccessRules, name: string, topic: string): boolean {
  const levels = levelsBelow(rules.prefix, topic);
  if (levels === undefined) return false;
  const [device, way, ...rest] = levels;
  if (rules.consumers.includes(name)) return way === 'down' && rest.length === 1 && rest[0] === 'receipt';
  return device === name && way === 'up' && rest.length > 0;
}

export function maySubscribe(rules: AccessRules, name: string, filter: string): boolean {
  const levels = levelsBelow(rules.prefix, filter);
  if (levels === undefined) return false;
  const [device, way] = levels;
  if (rules.consumers.includes(name)) return device !== '#' && way === 'up';
  if (device === '_group') return levels[2] === 'down';
  return device === name && way === 'down';
}

export function mosquittoAcl(rules: AccessRules): string {
  const { prefix, operators = [] } = rules;
  const lines = [
    `pattern write ${prefix}/%u/up/#`,
    `pattern read ${prefix}/%u/down/#`,
    `pattern read ${prefix}/_group/+/down/#`,
  ];
  for (const name of rules.consumers) {
    lines.push('', `user ${name}`, `topic read ${prefix}/+/up/#`, `topic write ${prefix}/+/down/receipt`);
  }
  for (const name of operators) {
    lines.push('', `user ${name}`, `topic write ${prefix}/+/down/command/#`);
    lines.push(`topic write ${prefix}/_group/+/down/command/#`);
    for (const below of ['status', 'info', 'sensor/#', 'log', 'response/#'])
      lines.push(`topic read ${prefix}/+/up/${below}`);
  }
  return `${lines.join('\n')}\n`;
}

function levelsBelow(prefix: string, topic: string): string[] | undefined {
  return topic.startsWith(`${prefix}/`) ? topic.slice(prefix.length + 1).split('/') : undefined;
}
