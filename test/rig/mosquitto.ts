/** A real Mosquitto of one test: started before it goes on, killed after it. */
import type { TestContext } from 'node:test';
import { Mosquitto, type MosquittoOptions } from '../../src/workbench/mosquitto.ts';
import { temporaryDirectory } from './temp.ts';

export async function startMosquitto(t: TestContext, options: Partial<MosquittoOptions> = {}): Promise<Mosquitto> {
  const mosquitto = new Mosquitto({ directory: await temporaryDirectory(t), ...options });
  t.after(() => mosquitto.kill());
  await mosquitto.start();
  return mosquitto;
}
