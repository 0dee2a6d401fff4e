/**
 * What the one who runs the demo sees while it runs: on a terminal a few lines that are drawn anew, elsewhere one line
 * every few seconds. Always on stderr; stdout is for the result.
 */
import { amountText, volumeText } from '../workbench/fuel-pump.ts';
import type { Tally } from './tally.ts';

const REDRAW_MS = 100;
const LINE_MS = 3000;

export interface View {
  /** Draws the last state and lets go of the screen. */
  stop(): void;
}

export function startView(tally: Tally, title: string): View {
  const { stderr } = process;
  if (!stderr.isTTY) {
    const timer = setInterval(() => stderr.write(`${progressLine(tally, performance.now())}\n`), LINE_MS);
    return { stop: () => clearInterval(timer) };
  }
  let drawn = 0;
  const draw = (): void => {
    const lines = picture(tally, title, performance.now()).map((line) => line.slice(0, stderr.columns - 1));
    // Up over what was drawn before, then clear to the end of the screen.
    stderr.write(`${drawn === 0 ? '' : `\u001b[${drawn}A`}\u001b[J${lines.join('\n')}\n`);
    drawn = lines.length;
  };
  draw();
  const timer = setInterval(draw, REDRAW_MS);
  return {
    stop: () => {
      clearInterval(timer);
      draw();
    },
  };
}

export function progressLine(tally: Tally, nowMs: number): string {
  const { pump, consumer, audit } = tally.players;
  const figures = [
    `sold ${pump.sales.length}`,
    `accepted ${pump.accepted.length}`,
    `received ${audit.received}`,
    `telemetry ${consumer.telemetry}`,
    `kills ${tally.kills}`,
    `broker kills ${tally.brokerKills}`,
    `cuts ${tally.cuts}`,
  ];
  return `${seconds(tally.ageMs(nowMs))}  ${tally.stage}: ${figures.join(', ')}`;
}

export function picture(tally: Tally, title: string, nowMs: number): string[] {
  const { pump, agent, link, consumer, audit } = tally.players;
  const { counters } = link;
  const sale = pump.sales.at(-1);
  const latest =
    sale === undefined ? 'nothing sold yet' : `sale ${sale.seq}: ${volumeText(sale)} l, ${amountText(sale)} EUR`;
  const { repeats } = consumer.deliveries.figures;
  return [
    `${title}   ${seconds(tally.ageMs(nowMs))}  ${tally.stage}`,
    '',
    `pump      ${latest}; sold ${pump.sales.length}, acknowledged ${pump.accepted.length}, written again ${pump.repeats}`,
    `agent     ${agent.running ? `process ${agent.child.pid ?? '?'}` : 'down'}, life ${agent.lives}; killed ${tally.kills} times`,
    `link      ${link.open > 0 ? 'up' : 'down'}; ${counters.connections} connections, cut ${tally.cuts} times, ${kib(counters.bytes.up)} up`,
    `broker    killed ${tally.brokerKills} times; ${consumer.receipts} receipts, ${consumer.asked} of them ask for events`,
    `consumer  ${audit.received} sales, ${repeats} repeats removed, ${consumer.telemetry} telemetry messages`,
    '',
    ...tally.faults.map((fault) => `  ${seconds(fault.atMs)}  ${fault.text}`),
  ];
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1).padStart(5)} s`;
}

function kib(bytes: number): string {
  return `${Math.round(bytes / 1024)} KiB`;
}
