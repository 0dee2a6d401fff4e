/** Draws the backlog benchmark as SVG, by hand: one panel a figure over the number of queued events, on a log axis. */
interface Series {
  readonly name: string;
  readonly values: readonly number[];
}

export interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly series: readonly Series[];
  /** A bound to show as a dashed line. */
  readonly aim?: number;
}

const WIDTH = 420;
const HEIGHT = 250;
const LEFT = 56;
const RIGHT = 16;
const TOP = 40;
const BOTTOM = 56;
const COLUMNS = 2;
const COLOURS = ['#0b6bcb', '#c4590b', '#2c8a3d'] as const;
const HEAD = 52;

export function plot(title: string, subtitle: string, counts: readonly number[], panels: readonly Panel[]): string {
  const rows = Math.ceil(panels.length / COLUMNS);
  const width = WIDTH * COLUMNS;
  const height = HEAD + HEIGHT * rows;
  const drawn = panels.map((panel, at) => {
    const x = (at % COLUMNS) * WIDTH;
    const y = HEAD + Math.floor(at / COLUMNS) * HEIGHT;
    return `<g transform="translate(${x} ${y})">\n${drawPanel(panel, counts)}</g>\n`;
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `font-family="system-ui, sans-serif" font-size="11" fill="#222">\n` +
    `<title>${escape(title)}</title>\n<rect width="${width}" height="${height}" fill="#fff"/>\n` +
    `<text x="16" y="24" font-size="16" font-weight="600">${escape(title)}</text>\n` +
    `<text x="16" y="42" fill="#555">${escape(subtitle)}</text>\n${drawn.join('')}</svg>\n`
  );
}

function drawPanel({ title, unit, series, aim }: Panel, counts: readonly number[]): string {
  const top = niceCeiling(Math.max(aim ?? 0, ...series.flatMap(({ values }) => values)));
  const innerWidth = WIDTH - LEFT - RIGHT;
  const innerHeight = HEIGHT - TOP - BOTTOM;
  const least = Math.log10(Math.min(...counts));
  const span = Math.max(1e-9, Math.log10(Math.max(...counts)) - least);
  const x = (count: number): number => LEFT + 12 + ((Math.log10(count) - least) / span) * (innerWidth - 24);
  const y = (value: number): number => TOP + innerHeight * (1 - value / top);
  const parts: string[] = [
    `<text x="${LEFT}" y="18" font-size="13" font-weight="600">${escape(title)}</text>`,
    `<text x="${LEFT}" y="32" fill="#555">${escape(unit)}</text>`,
  ];
  for (let step = 0; step <= 4; step += 1) {
    const value = (top * step) / 4;
    parts.push(
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${place(y(value))}" y2="${place(y(value))}" stroke="#ddd"/>`,
      `<text x="${LEFT - 6}" y="${place(y(value) + 4)}" text-anchor="end" fill="#555">${short(value)}</text>`,
    );
  }
  for (const count of counts) {
    parts.push(
      `<text x="${place(x(count))}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle" fill="#555">${short(count)}</text>`,
    );
  }
  if (aim !== undefined) {
    const at = place(y(aim));
    parts.push(
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}" stroke="#b00020" stroke-dasharray="5 4"/>`,
    );
    parts.push(
      `<text x="${WIDTH - RIGHT}" y="${place(y(aim) - 4)}" text-anchor="end" fill="#b00020">aim ${aim}</text>`,
    );
  }
  for (const [at, { name, values }] of series.entries()) {
    const colour = COLOURS[at % COLOURS.length] ?? '#222';
    const points = values.map((value, index) => `${place(x(counts[index] ?? 1))},${place(y(value))}`);
    parts.push(`<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const point of points) {
      const [cx = '', cy = ''] = point.split(',');
      parts.push(`<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`);
    }
    const legendX = LEFT + at * 110;
    const legendY = HEIGHT - BOTTOM + 36;
    parts.push(`<rect x="${legendX}" y="${legendY - 8}" width="12" height="3" fill="${colour}"/>`);
    parts.push(`<text x="${legendX + 17}" y="${legendY - 3}">${escape(name)}</text>`);
  }
  return `${parts.join('\n')}\n`;
}

/** 1, 2, 4, 5 or 8 times a power of ten: a quarter of it is a round number too. */
function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  return ([1, 2, 4, 5, 8, 10].find((step) => step * power >= value * 1.02) ?? 20) * power;
}

function short(value: number): string {
  if (value >= 1e6) return `${value / 1e6} M`;
  if (value >= 1e4) return `${value / 1e3} k`;
  return String(Number(value.toPrecision(3)));
}

function place(value: number): string {
  return value.toFixed(1);
}

function escape(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
}
