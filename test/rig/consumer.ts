/** A persistent QoS 2 consumer of one test. Its `deliveries` judge what came: lost, repeats, forks, order breaks. */
import type { TestContext } from 'node:test';
import { Consumer, type ConsumerOptions } from '../../src/workbench/consumer.ts';

export async function startConsumer(
  t: TestContext,
  options: Omit<ConsumerOptions, 'clientId' | 'protocol'> & Partial<ConsumerOptions>,
): Promise<Consumer> {
  const consumer = new Consumer({ clientId: 'collector', protocol: 5, ...options });
  t.after(() => consumer.stop());
  await consumer.start();
  return consumer;
}
