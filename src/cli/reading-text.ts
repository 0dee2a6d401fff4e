/** Readings and would-be events as they come, for people (a line each) or programs (a JSON object each). */
import type { EventDraft } from '../ports.ts';
import type { Reading } from '../sensor/route.ts';

export function readingsText(readings: readonly Reading[], wallMs: number, json: boolean): string {
  const at = new Date(wallMs).toISOString();
  return readings
    .map(({ name, value, unit }) => {
      if (json) return `${JSON.stringify({ at, name, value, ...(unit === undefined ? {} : { unit }) })}\n`;
      return `${at.slice(11, 23)}  ${name} ${valueText({ value, unit })}\n`;
    })
    .join('');
}

export function eventText({ stream, type, data, source }: EventDraft, wallMs: number, json: boolean): string {
  const at = new Date(wallMs).toISOString();
  const event = { stream, type, data, ...(source === undefined ? {} : { source }) };
  if (json) return `${JSON.stringify({ at, event })}\n`;
  const values = Object.entries(data).map(([name, { value, unit, quality }]) => {
    const mark = quality === 'good' ? '' : ` ${quality}`;
    return `${name}: ${JSON.stringify(value)}${unit === undefined ? '' : ` ${plainText(unit)}`}${mark}`;
  });
  const number = source === undefined ? '' : ` number ${source.epoch}/${source.seq}`;
  return `${at.slice(11, 23)}  would be event ${stream}/${type}${number} {${values.join(', ')}}\n`;
}

/** `1 event`, `2 events` */
export function countText(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

/** `498 W` */
export function valueText({ value, unit }: Pick<Reading, 'value' | 'unit'>): string {
  return plainText(`${String(value)}${unit === undefined ? '' : ` ${unit}`}`);
}

/** A device must not steer the terminal of whoever looks at it. */
function plainText(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?');
}
