/** Waiting in tests: for something seen, with a deadline. The same as on the workbench. */
export { until } from '../../src/workbench/wait.ts';
