/** Draws how many devices came back in each tenth of a second, as SVG, by hand: one panel a fleet, on the same axes. */
interface Panel {
  readonly title: string;
  /** Milliseconds since the broker was lost. */
  readonly ups: readonly number[];
  readonly backMs: number;
}

export const BIN_MS = 100;
const WIDTH = 840;
const HEIGHT = 190;
const LEFT = 48;
const RIGHT = 16;
const TOP = 34;
const BOTTOM = 34;
const HEAD = 48;

export function plot(title: string, panels: readonly Panel[]): string {
  const last = Math.max(...panels.flatMap(({ ups }) => ups));
  const bins = Math.ceil(last / BIN_MS) + 1;
  const height = HEAD + HEIGHT * panels.length;
  const drawn = panels.map(
    (panel, at) => `<g transform="translate(0 ${HEAD + at * HEIGHT})">\n${draw(panel, bins)}</g>\n`,
  );
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" ` +
    `font-family="system-ui, sans-serif" font-size="11" fill="#222">\n<title>${title}</title>\n` +
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>\n` +
    `<text x="16" y="26" font-size="16" font-weight="600">${title}</text>\n${drawn.join('')}</svg>\n`
  );
}

function draw({ title, ups, backMs }: Panel, bins: number): string {
  const counts = Array.from({ length: bins }, (_, bin) => ups.filter((ms) => Math.floor(ms / BIN_MS) === bin).length);
  const top = Math.max(...counts);
  const step = (WIDTH - LEFT - RIGHT) / bins;
  const inner = HEIGHT - TOP - BOTTOM;
  const x = (ms: number): number => LEFT + (ms / BIN_MS) * step;
  const floor = TOP + inner;
  const parts = [
    `<text x="${LEFT}" y="18" font-size="13" font-weight="600">${title}</text>`,
    `<text x="${LEFT - 6}" y="${TOP + 8}" text-anchor="end" fill="#555">${top}</text>`,
    `<text x="${LEFT - 6}" y="${floor}" text-anchor="end" fill="#555">0</text>`,
    `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${floor}" y2="${floor}" stroke="#888"/>`,
    `<line x1="${place(x(backMs))}" x2="${place(x(backMs))}" y1="${TOP}" y2="${floor}" stroke="#b00020" stroke-dasharray="5 4"/>`,
    `<text x="${place(x(backMs) - 4)}" y="${TOP + 8}" text-anchor="end" fill="#b00020">the broker is back</text>`,
  ];
  for (const [bin, count] of counts.entries()) {
    if (count === 0) continue;
    const tall = (inner * count) / top;
    parts.push(
      `<rect x="${place(LEFT + bin * step)}" y="${place(floor - tall)}" width="${place(Math.max(1, step - 0.5))}" height="${place(tall)}" fill="#0b6bcb"/>`,
    );
  }
  for (let second = 0; second * 1000 < bins * BIN_MS; second += 2) {
    parts.push(
      `<text x="${place(x(second * 1000))}" y="${floor + 16}" text-anchor="middle" fill="#555">${second} s</text>`,
    );
  }
  return `${parts.join('\n')}\n`;
}

function place(value: number): string {
  return value.toFixed(1);
}
