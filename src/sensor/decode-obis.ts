/**
 * Decodes the telegrams of electricity, gas and heat meters that write OBIS codes as text: DSMR and ESMR P1
 * (`/` and identification to `!` and a CRC) and IEC 62056-21 data blocks (STX to `!`, ETX and a block check). The framer has
 * judged CRC and block check; here they are cut off.
 *
 * Of a data set `code(value*unit)(value*unit)` come:
 * - `code`: the value of its last group, as it is written; `code.unit`: its unit, where one is given;
 * - `code.0`, `code.1` ... with several groups, each in its place, and `code.0.unit` ...
 *
 * So of DSMR's `0-1:24.2.1(time)(12785.123*m3)` the code names the volume, and of a maximum `1.6.1(value*kW)(time)` the
 * value is `1.6.1.0`. `id` is what the meter calls itself after `/`.
 */
import { putOnce } from './put-once.ts';
import { type Decoded, type Decoder, invalid, type Scalar } from './record.ts';

const DATA_SETS_MAX = 512;
/** DSMR's log of power failures has 22: a count, what is counted, and ten pairs. */
const GROUPS_MAX = 32;

interface DataSet {
  readonly code: string;
  /** What stands between the brackets. */
  readonly groups: readonly string[];
}

/** Identification line and STX, as far as they are there. */
const HEAD = /^[\r\n]*(?:\/(.*)\r?\n)?[\r\n]*\u0002?/;
/** After "!": the CRC of P1, or ETX and the block check of IEC 62056-21. */
const TAIL = /^[0-9A-F]{0,4}[\r\n]*(?:\u0003[^]?)?$/i;
const SEVEN_BIT = /^[ -~]*$/;
/** Each goes on where the last one ended. A code has at most 32 characters (the standard says 16). */
const DATA_SET = /([^ ()/]{0,32})\(([^()]*(?:\)\([^()]*)*)\)/gy;

export function obisDecoder(): Decoder {
  return (frame): Decoded => {
    const text = frame.toString('latin1');
    const end = text.indexOf('!');
    if (end === -1) return invalid('no "!" at the end');
    if (!TAIL.test(text.slice(end + 1))) return invalid('something else behind "!"');
    const content = text.slice(0, end);
    const [head = '', id] = HEAD.exec(content) ?? [];
    const lines = content.slice(head.length).split(/\r?\n/);
    if (!lines.every((line) => SEVEN_BIT.test(line)) || !SEVEN_BIT.test(id ?? '')) return invalid('not 7-bit text');
    const dataSets = parseLines(lines);
    if (typeof dataSets === 'string') return invalid(dataSets);
    const record = new Map<string, Scalar>();
    if (id !== undefined) record.set('id', { kind: 'text', text: id });
    if (!dataSets.every((dataSet) => putDataSet(record, dataSet))) return invalid('a name with two values');
    return { kind: 'record', record };
  };
}

/** The data sets, or what is wrong. */
function parseLines(lines: readonly string[]): readonly DataSet[] | string {
  const found: DataSet[] = [];
  for (const line of lines) {
    let length = 0;
    for (const [whole, code = '', values = ''] of line.matchAll(DATA_SET)) {
      length += whole.length;
      const groups = values.split(')(');
      if (code !== '') found.push({ code, groups });
      else {
        // DSMR 2 and 3 write the gas meter's value on a line of its own, below its code.
        const last = found.pop();
        if (last === undefined) return 'a value without a code';
        found.push({ code: last.code, groups: [...last.groups, ...groups] });
      }
      if ((found.at(-1)?.groups.length ?? 0) > GROUPS_MAX) return `more than ${GROUPS_MAX} values of one code`;
      if (found.length > DATA_SETS_MAX) return `more than ${DATA_SETS_MAX} data sets`;
    }
    if (length !== line.length) return 'a line that is no data set';
  }
  return found.length === 0 ? 'no data sets' : found;
}

/** False when a name stands for another value already. */
function putDataSet(record: Map<string, Scalar>, { code, groups }: DataSet): boolean {
  return groups.every((group, index) => {
    const isLast = index === groups.length - 1;
    const place = groups.length === 1 || putGroup(record, `${code}.${index}`, group);
    return place && (!isLast || putGroup(record, code, group));
  });
}

function putGroup(record: Map<string, Scalar>, name: string, group: string): boolean {
  const star = group.indexOf('*');
  if (star === -1) return putOnce(record, name, { kind: 'text', text: group });
  return (
    putOnce(record, name, { kind: 'text', text: group.slice(0, star) }) &&
    putOnce(record, `${name}.unit`, { kind: 'text', text: group.slice(star + 1) })
  );
}
