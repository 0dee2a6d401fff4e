/**
 * Entry of the second bundle, `dist/workbench.mjs`: what the command line needs of the workbench. The service never loads
 * it. The one file that only re-exports, because it is an entry and not a folder's front door.
 */
export { makeDevelopmentCertificates } from './certificates.ts';
export { runDemo } from '../demo/run.ts';
export { freshSeed } from './random.ts';
export { openTerminalLine } from './simulate/meter-line.ts';
export { METERS } from './simulate/meters.ts';
export { startMeter } from './simulate/run-meter.ts';
