/** Data sets of IEC 62056-21 (`1-0:1.8.1(005779.835*kWh)`), which DSMR telegrams are made of too, and what they say. */
import type { Truth } from './meter.ts';

export interface DataSet {
  readonly code: string;
  /** What stands between the brackets: `005779.835*kWh`. */
  readonly groups: readonly string[];
}

export function dataSet(code: string, ...groups: readonly string[]): DataSet {
  return { code, groups };
}

export function dataSetText({ code, groups }: DataSet): string {
  return `${code}(${groups.join(')(')})`;
}

/** A code names the value of its last group, `code.n` each one of several, `.unit` what it is measured in. */
export function dataSetTruth(dataSets: readonly DataSet[]): Truth {
  const truth: Record<string, string> = {};
  const put = (name: string, group: string): void => {
    const [value = '', unit] = group.split('*');
    truth[name] = value;
    if (unit !== undefined) truth[`${name}.unit`] = unit;
  };
  for (const { code, groups } of dataSets) {
    put(code, groups.at(-1) ?? '');
    if (groups.length > 1) groups.forEach((group, index) => put(`${code}.${index}`, group));
  }
  return truth;
}
